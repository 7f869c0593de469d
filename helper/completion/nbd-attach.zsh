#compdef nbd-attach nbd-detach nbd-map nbd-list nbd-info
# SPDX-License-Identifier: GPL-2.0-only
# zsh completion. Options and columns are those that the tools print with --help.

# _nbd_devices attached|idle
_nbd_devices()
{
	local attached=(/dev/${(f)^"$(nbd-list --noheadings --output NAME 2>/dev/null)"})
	local devices=(/dev/nbd<->(N))

	case $1 in
	attached) devices=(${devices:*attached}) ;;
	idle) devices=(${devices:|attached}) ;;
	esac
	compadd "${@:2}" -a devices
}

_nbd_columns()
{
	local columns=(${(f)"$(nbd-list --help | sed -n '/^Columns:/,/^$/s/^  \([^ ]*\)  *\(.*\)/\1:\2/p')"})

	compset -P '+'
	_sequence _describe column columns
}

# _nbd_operand: what is no option
_nbd_operand()
{
	case $service in
	nbd-attach)
		if (( ${words[(I)--(adopt|monitor|resize)]} )); then
			_nbd_devices attached
		else
			_alternative 'devices:device:_nbd_devices idle' 'hosts:host:_hosts'
		fi
		;;
	nbd-client) _alternative 'devices:device:_nbd_devices idle' 'hosts:host:_hosts' ;;
	nbd-info) _alternative 'devices:device:_nbd_devices attached' 'hosts:host:_hosts' ;;
	nbd-map) _alternative 'devices:device:_nbd_devices attached' \
		'files:partition:_files -g "/dev/nbd*p*"' ;;
	*) _nbd_devices attached ;;
	esac
}

# _nbd_value PLACEHOLDER: what completes an option's argument, by its name in --help
_nbd_value()
{
	local fixed=(${(M)${(s:|:)1}:#[a-z]*})

	case $1 in
	PATH | FILE) print _files ;;
	COLUMNS) print _nbd_columns ;;
	DEVICE) print '_nbd_devices attached' ;;
	HOST) print _hosts ;;
	*) print "${fixed:+($fixed)} " ;;
	esac
}

local line long text value specs=()
# a long option has its text on the next line
for line in ${(f)"$(_call_program options $service --help 2>/dev/null | sed -z 's/\n\( \{20\}\)/\1/g')"}; do
	[[ $line =~ '^  (-[a-zA-Z],|   ) --([a-z-]+)(\[=[A-Z]+\])?( ([^ ]+))?(  +(.*))?$' ]] ||
		continue
	long=--$match[2]
	text=[${match[7]//\]/\\]}]
	value=${match[5]:+:${match[5]//:/\\:}:$(_nbd_value $match[5])}
	if [[ -n $match[3] ]]; then
		specs+=("$long=-$text::${match[3]//[^A-Z]/}:")
	elif [[ $match[1] = -* ]]; then
		specs+=("(${match[1]%,} $long)${match[1]%,}${value:++}$text$value"
			"(${match[1]%,} $long)$long${value:+=}$text$value")
	else
		specs+=("$long${value:+=}$text$value")
	fi
done
_arguments -s -S $specs '*::operand:_nbd_operand'
