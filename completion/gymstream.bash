# bash completion for gymstream. What there is to complete is what the program's own help says.

_gymstream()
{
	local word=$2 previous=$3 program=$1 command=${COMP_WORDS[1]}

	# bash takes "=" for a word of its own
	if [[ $word == = ]]; then
		word=''
	elif [[ $previous == = ]]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if [[ $COMP_CWORD -eq 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p') --help --version" -- "$word")
		return
	fi
	case $previous in
		-f | --output) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
		-x | --exec) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
		-h | --host) mapfile -t COMPREPLY < <(compgen -A hostname -- "$word"; compgen -d -- "$word") ;;
		--until) mapfile -t COMPREPLY < <(compgen -W now -- "$word") ;;
		*)
			mapfile -t COMPREPLY < <(compgen -W "$("$program" "$command" --help 2>/dev/null |
				sed -n 's/^ \{2,6\}\(-., \)\{0,1\}\(--[a-z-]*\).*/\2/p')" -- "$word") ;;
	esac
}

complete -o default -F _gymstream gymstream
