"""Text for a shell: a function that sends our commands to the program and everything else to the shell's own pushd."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pushd.cli import commands, render
from pushd.cli.not_offered import NOT_OFFERED

_NOTE = """\
# pushd: our commands go to git-pushd, everything else to the shell's own pushd.
# A folder that is named like a command is reached as ./config. A word with a colon, or one that Heroku's users know,
# is ours too unless there is such a folder: it gets an answer instead of "no such file"."""

_BASH = """\
{note}
pushd() {{
    case "${{1-}}" in
        {patterns}) command git-pushd "$@" ;;
        */*) builtin pushd "$@" ;;
        {guesses}) if [ -d "$1" ]; then builtin pushd "$@"; else command git-pushd "$@"; fi ;;
        *) builtin pushd "$@" ;;
    esac
}}
_pushd_options() {{
    case "$1" in
{options}
    esac
}}
_pushd_apps() {{
    command git-pushd complete:apps -- "$@" 2>/dev/null
}}
_pushd_complete() {{
    local line="${{COMP_LINE:0:COMP_POINT}}" current prefix words
    local -a typed
    [[ "$line" =~ ^[[:space:]]*git[[:space:]] ]] && line="${{line#*git}}"
    current="${{line##*[[:space:]]}}"
    read -r -a typed <<< "${{line%"$current"}}"
    case "${{#typed[@]}} ${{typed[${{#typed[@]}}-1]}} $current" in
        "1 "*) words="{names}"; compopt -o plusdirs 2>/dev/null ;;
        *" -a "*|*" --app "*) words="$(_pushd_apps "${{typed[@]}}")" ;;
        *" --app="*) words="$(_pushd_apps "${{typed[@]}}" | sed 's/^/--app=/')" ;;
        *" -r "*|*" --remote "*) words="$(git remote 2>/dev/null)" ;;
        *" -"*) words="$(_pushd_options "${{typed[1]}}")" ;;
        *)
            case "${{typed[1]}}" in
                {takes_app}) words="$(_pushd_apps "${{typed[@]}}")" ;;
                help) words="{names}" ;;
                shell-init) words="bash zsh fish" ;;
                *) words="$(_pushd_options "${{typed[1]}}")" ;;
            esac ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    prefix="${{current%"${{current##*[:=]}}"}}"
    if [[ "$COMP_WORDBREAKS" == *:* && "$COMP_WORDBREAKS" == *=* ]]; then  # bash counts what stands before them as done
        COMPREPLY=("${{COMPREPLY[@]#"$prefix"}}")
    fi
}}
_git_pushd() {{
    _pushd_complete
}}
complete -F _pushd_complete pushd git-pushd
"""

_ZSH = """\
{note}
pushd() {{
    case "${{1-}}" in
        {patterns}) command git-pushd "$@" ;;
        */*) builtin pushd "$@" ;;
        {guesses}) if [ -d "$1" ]; then builtin pushd "$@"; else command git-pushd "$@"; fi ;;
        *) builtin pushd "$@" ;;
    esac
}}
_pushd_options() {{
    case "$1" in
{options}
    esac
}}
_pushd_apps() {{
    compadd "$@" -- ${{(f)"$(command git-pushd complete:apps -- $words 2>/dev/null)"}}
}}
_pushd_complete() {{
    if (( CURRENT == 2 )); then
        compadd -- {names}
        _directories
        return
    fi
    case "$words[CURRENT-1]" in
        -a|--app) _pushd_apps; return ;;
        -r|--remote) compadd -- ${{(f)"$(git remote 2>/dev/null)"}}; return ;;
    esac
    case "$PREFIX" in
        --app=*) compset -P '--app='; _pushd_apps; return ;;
        -*) compadd -- ${{=$(_pushd_options "$words[2]")}}; return ;;
    esac
    case "$words[2]" in
        {takes_app}) _pushd_apps ;;
        help) compadd -- {names} ;;
        shell-init) compadd -- bash zsh fish ;;
        *) compadd -- ${{=$(_pushd_options "$words[2]")}} ;;
    esac
}}
_git-pushd() {{
    _pushd_complete
}}
(( $+functions[compdef] )) && compdef _pushd_complete pushd git-pushd
true
"""

_FISH = """\
{note}
functions --query __pushd_of_fish; or functions --copy pushd __pushd_of_fish
function pushd --description 'push to deploy, or push a directory'
    switch "$argv[1]"
        case {patterns}
            command git-pushd $argv
        case '*/*'
            __pushd_of_fish $argv
        case {guesses}
            if test -d "$argv[1]"
                __pushd_of_fish $argv
            else
                command git-pushd $argv
            end
        case '*'
            __pushd_of_fish $argv
    end
end
function __pushd_apps
    command git-pushd complete:apps -- (commandline -opc) 2>/dev/null
end
complete -c pushd -n __fish_is_first_arg -a '{names}'
complete -c pushd -n '__fish_seen_subcommand_from {takes_app}' -f -a '(__pushd_apps)'
complete -c pushd -n '__fish_seen_subcommand_from help' -f -a '{names}'
complete -c pushd -n '__fish_seen_subcommand_from shell-init' -f -a 'bash zsh fish'
{options}
"""


_FISH_VALUES = {"app": "(__pushd_apps)", "remote": "(git remote 2>/dev/null)"}


@click.command("shell-init")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def shell_init(shell: str) -> None:
    """Print what lets a shell know our commands.

    Evaluate it once per session, or in the shell's start file. `pushd config` is then ours, and `pushd /tmp`, `pushd +1`,
    popd and dirs stay the shell's own. A folder that is named like a command is reached as `pushd ./config`. The Tab key
    completes commands, options, apps and git remotes.

    \b
    Examples:
        eval "$(git pushd shell-init bash)"         # zsh likewise
        git pushd shell-init fish | source
    """
    render.out(text_for(shell))


def text_for(shell: str) -> str:
    """The whole script for bash, zsh or fish."""
    template = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell]
    names = commands.names()
    fish = shell == "fish"
    separator = " " if fish else "|"
    quote = "'{}'".format if fish else str
    patterns = separator.join(quote(pattern) for pattern in [*names, *_topic_patterns(), "-h", "--help", "--version"])
    guesses = separator.join(quote(pattern) for pattern in [*_not_offered(names), "*:*"])
    takes_app = separator.join(name for name in names if _takes_app(name))
    options = _fish_options() if fish else _case_options()
    text = template.format(
        note=_NOTE, patterns=patterns, guesses=guesses, names=" ".join(names), takes_app=takes_app, options=options
    )
    return text.rstrip("\n")


def _topic_patterns() -> list[str]:
    """`config:*` and so on: a mistyped `config:sett` gets our suggestion, not "no such file"."""
    return sorted({f"{name.partition(':')[0]}:*" for name in commands.COMMANDS if ":" in name} | {"hook"})


def _not_offered(names: Sequence[str]) -> list[str]:
    """What Heroku's users may type and we answer with what to do instead."""
    return sorted(name for name in NOT_OFFERED if ":" not in name and name not in names)


def _parameters(name: str) -> list[click.Parameter]:
    from pushd.cli.main import load

    found = commands.maybe_command(name)
    return load(found[1]).params if found else []


def _options(name: str) -> list[click.Option]:
    return [each for each in _parameters(name) if isinstance(each, click.Option) and not each.hidden]


def _takes_app(name: str) -> bool:
    """Whether the command takes an app as an argument too."""
    return any(isinstance(each, click.Argument) and each.metavar == "[APP]" for each in _parameters(name))


def _case_options() -> str:
    rows = []
    for name in commands.names():
        flags = [flag for option in _options(name) for flag in (*option.opts, *option.secondary_opts)]
        long = [flag for flag in flags if flag.startswith("--")] + ["--help"]
        rows.append(f"        {name}) echo '{' '.join(long)}' ;;")
    return "\n".join(rows)


def _fish_options() -> str:
    rows = []
    for name in commands.names():
        before = f"complete -c pushd -n '__fish_seen_subcommand_from {name}'"
        rows.append(f"{before} -l help")
        for option in _options(name):
            flags = [*option.opts, *option.secondary_opts]
            words = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in flags)
            value = (
                "" if option.is_flag else " -r" if option.name not in _FISH_VALUES else f" -x -a '{_FISH_VALUES[option.name]}'"
            )
            rows.append(f"{before} {words}{value}")
    return "\n".join(rows)
