# bash completion for gymstream. What there is to complete is what the program's own help says.

_gymstream()
{
	local program=$1 word=$2 previous=$3 command=${COMP_WORDS[1]} help words

	# bash takes "=" for a word of its own
	if [[ $word == = ]]; then
		word=''
	elif [[ $previous == = ]]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if [[ $COMP_CWORD -eq 1 ]]; then
		words="$("$program" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p') --help --version"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		return
	fi
	case $previous in
		-f | --output | --bookmark) mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null ;;
		-x | --exec) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
		-h | --host) mapfile -t COMPREPLY < <(compgen -A hostname -- "$word"; compgen -d -- "$word"); compopt -o filenames 2>/dev/null ;;
		--from) mapfile -t COMPREPLY < <(compgen -W 'earliest latest' -- "$word") ;;
		--until) mapfile -t COMPREPLY < <(compgen -W now -- "$word") ;;
		*)
			help=$("$program" "$command" --help 2>/dev/null)
			COMPREPLY=()
			# nothing is known of the values of other options
			[[ $help =~ " $previous"= || $help =~ " $previous, --"[a-z-]+= ]] && return
			words=$(sed -n 's/^ \{2,6\}\(-., \)\{0,1\}\(--[a-z-]*\).*/\2/p' <<<"$help")
			mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word") ;;
	esac
}

complete -F _gymstream gymstream
