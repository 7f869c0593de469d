# SPDX-License-Identifier: GPL-2.0-only
# bash completion for nbd-attach, nbd-detach, nbd-map, nbd-list, nbd-info and nbd-client

# _nbd_options VERB: every option of the verb
_nbd_options()
{
	case $1 in
	nbd-attach)
		echo "-u --unix --port --vsock -N --name -C --connections --context" \
			"--require-context --no-contexts -r --read-only -t --timeout" \
			"--connect-timeout --peer-timeout -T --dead-timeout --no-reconnect" \
			"-F --foreground --adopt --force --resize --monitor -Q --queue-size" \
			"-i --identifier --table --check-config -J --json"
		;;
	nbd-attach-generator)
		echo "--table"
		;;
	nbd-detach)
		echo "-f --force -t --timeout"
		;;
	nbd-map)
		echo "--context --offset --length --totals --graph -l --list -J --json"
		;;
	nbd-list)
		echo "-o --output -n --noheadings -r --raw -b --bytes -J --json --watch" \
			"--metrics"
		;;
	nbd-client)
		echo "-N --name -u --unix -C --connections -t --timeout -T --dead-timeout" \
			"-b --block-size -R --readonly -i --identifier -n --nofork -c --check" \
			"-d --disconnect -l --list --table -p --persist -s --swap" \
			"-m --systemd-mark" \
			"-g --no-optgo -L --nonetlink -B --size -P --preinit -S --sdp" \
			"-x --enable-tls -A --cacertfile -F --certfile -K --keyfile" \
			"-H --tlshostname -y --priority"
		;;
	nbd-info)
		echo "-u --unix --port --vsock -N --name --connect-timeout -J --json"
		;;
	esac
	echo "-v --verbose -h --help -V --version"
}

_nbd_columns="NAME SIZE RO CONN STATE IDENTIFIER URI INDEX FLAGS CONTEXTS BS-MIN BS-PREF BS-MAX
	TIMEOUT DEAD-TIMEOUT QDEPTH OPENERS INFLIGHT OLDEST REQUESTS REPLIES ERRORS SENT RECEIVED
	RECONNECTS LAST-ERROR"

# Adds the devices that are attached, or that are not, to COMPREPLY.
_nbd_devices()
{
	local attached device disk devices=()

	attached=" $(nbd-list --noheadings --output NAME 2>/dev/null | tr -s ' \n' ' ') "
	for device in /dev/nbd*; do
		[[ -b $device ]] || continue
		disk=${device#/dev/}
		disk=${disk%%p*}
		case $1 in
		attached)
			[[ $attached == *" ${device#/dev/} "* ]] || continue
			;;
		idle)
			[[ $device == *p* || $attached == *" ${device#/dev/} "* ]] && continue
			;;
		partitions)
			[[ $attached == *" $disk "* ]] || continue
			;;
		esac
		devices+=("$device")
	done
	mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "${devices[*]}" -- "$cur")
}

# _nbd_client_argument OPTION: the same for nbd-client, with one dash or two
_nbd_client_argument()
{
	local option=${1#-}

	case -${option#-} in
	-c | -check | -d | -disconnect)
		_nbd_devices attached
		;;
	-table | -A | -cacertfile | -F | -certfile | -K | -keyfile)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	-N | -name | -C | -connections | -t | -timeout | -T | -dead-timeout | -b | -block-size | \
		-i | -identifier | -B | -size | -H | -tlshostname | -y | -priority)
		;;
	*)
		return 1
		;;
	esac
}

# _nbd_argument VERB OPTION: what may follow the option; fails if it takes nothing
_nbd_argument()
{
	if [ "$1" = nbd-client ]; then
		_nbd_client_argument "$2"
		return
	fi
	case $2 in
	-u | --unix | --table)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	-C | --connections)
		mapfile -t COMPREPLY < <(compgen -W "auto 1 2 4 8" -- "$cur")
		;;
	-T | --dead-timeout)
		mapfile -t COMPREPLY < <(compgen -W "off forever" -- "$cur")
		;;
	-o | --output)
		local before=${cur%"${cur##*[,+]}"}
		compopt -o nospace
		mapfile -t COMPREPLY < <(compgen -P "$before" -W "$_nbd_columns" -- "${cur##*[,+]}")
		;;
	--context)
		mapfile -t COMPREPLY < <(compgen -W "base:allocation qemu:allocation-depth
			qemu:dirty-bitmap:" -- "$cur")
		;;
	-N | --name)
		;;
	--port | --vsock | -t | --timeout | --connect-timeout | --peer-timeout | -Q | \
		--queue-size | -i | --identifier | --offset | --length)
		;;
	*)
		return 1
		;;
	esac
}

_nbd_attach()
{
	# shellcheck disable=SC2034 # set by _init_completion
	local cur prev words cword verb=${1##*/}

	_init_completion -n :, || return
	if _nbd_argument "$verb" "$prev"; then
		declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
		return
	fi
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_nbd_options "$verb")" -- "$cur")
		return
	fi
	case $verb in
	nbd-client)
		_nbd_devices idle
		declare -F _known_hosts_real >/dev/null && _known_hosts_real -- "$cur"
		;;
	nbd-attach)
		if [[ " ${words[*]} " =~ " "--(adopt|monitor|resize)" " ]]; then
			_nbd_devices attached
		else
			_nbd_devices idle
		fi
		declare -F _known_hosts_real >/dev/null && _known_hosts_real -- "$cur"
		;;
	nbd-detach | nbd-list)
		_nbd_devices attached
		;;
	nbd-map)
		_nbd_devices partitions
		;;
	nbd-info)
		_nbd_devices attached
		declare -F _known_hosts_real >/dev/null && _known_hosts_real -- "$cur"
		;;
	esac
}

complete -F _nbd_attach nbd-attach nbd-detach nbd-map nbd-list nbd-info nbd-client
