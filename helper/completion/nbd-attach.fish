# SPDX-License-Identifier: GPL-2.0-only
# fish completion for nbd-attach. Options and columns are those that it prints with --help.
# Installed for each of the tools, with its name in place of this one's in the next line.
set -l tool nbd-attach

# __nbd_devices attached|idle
function __nbd_devices
	set -l attached /dev/(nbd-list --noheadings --output NAME 2>/dev/null | string trim)
	set -l devices /dev/nbd*
	for device in (string match -r '^/dev/nbd[0-9]+$' -- $devices)
		switch $argv[1]
			case attached
				contains $device $attached; and echo $device
			case idle
				contains $device $attached; or echo $device
		end
	end
end

function __nbd_columns
	nbd-list --help | sed -n '/^Columns:/,/^$/s/^  \([^ ]*\)  *\(.*\)/\1\t\2/p'
end

# The mode of nbd-attach that acts on an attached disk
function __nbd_acts_on_attached
	string match -qr -- '^--(adopt|monitor|resize)$' (commandline -opc)
end

switch $tool
	case nbd-attach
		complete -c $tool -f -n 'not __nbd_acts_on_attached' -a '(__nbd_devices idle) (__fish_print_hostnames)'
		complete -c $tool -f -n __nbd_acts_on_attached -a '(__nbd_devices attached)'
	case nbd-client
		complete -c $tool -f -a '(__nbd_devices idle) (__fish_print_hostnames)'
	case nbd-info
		complete -c $tool -f -a '(__nbd_devices attached) (__fish_print_hostnames)'
	case nbd-map
		complete -c $tool -a '(__nbd_devices attached)'
	case '*'
		complete -c $tool -f -a '(__nbd_devices attached)'
end

# a long option has its text on the next line
for line in ($tool --help 2>/dev/null | sed -z 's/\n\( \{20\}\)/\1/g')
	string match -qr '^  (?<short>-[a-zA-Z],|   ) --(?<long>[a-z-]+)(\[=[A-Z]+\])?( (?<value>[^ ]+))?(  +(?<text>.*))?$' -- $line
	or continue
	set -l option -c $tool -l $long -d "$text"
	if string match -q -- '-*' "$short"
		set -a option -s (string sub -s 2 -l 1 -- $short)
	end
	switch "$value"
		case ''
			complete $option
		case PATH FILE
			complete $option -r -F
		case COLUMNS
			complete $option -x -a '(__fish_complete_list , __nbd_columns)'
		case DEVICE
			complete $option -x -a '(__nbd_devices attached)'
		case '*'
			complete $option -x -a "$(string match -r '^[a-z].*' -- (string split '|' -- $value))"
	end
end
