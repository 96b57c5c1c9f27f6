"""Text for a shell: a function that sends our commands to the program and everything else to the shell's own pushd."""

from __future__ import annotations

import click

from pushd.cli import commands, render

_NOTE = """\
# pushd: our commands go to git-pushd, everything else to the shell's own pushd.
# A folder that is named like a command is reached as ./config"""

_BASH = """\
{note}
pushd() {{
    case "${{1-}}" in
        {patterns}) command git-pushd "$@" ;;
        *) builtin pushd "$@" ;;
    esac
}}
_pushd_options() {{
    case "$1" in
{options}
    esac
}}
_pushd_complete() {{
    local line="${{COMP_LINE:0:COMP_POINT}}" current prefix words
    current="${{line##*[[:space:]]}}"
    if [[ "$line" =~ ^[[:space:]]*[^[:space:]]+[[:space:]]+[^[:space:]]*$ ]]; then
        words="{names}"
        compopt -o plusdirs 2>/dev/null
    else
        read -r _ words _ <<< "$line"
        words="$(_pushd_options "$words")"
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ "$COMP_WORDBREAKS" == *:* ]]; then  # bash counts what stands before a colon as done
        prefix="${{current%"${{current##*:}}"}}"
        COMPREPLY=("${{COMPREPLY[@]#"$prefix"}}")
    fi
}}
complete -F _pushd_complete pushd git-pushd
"""

_ZSH = """\
{note}
pushd() {{
    case "${{1-}}" in
        {patterns}) command git-pushd "$@" ;;
        *) builtin pushd "$@" ;;
    esac
}}
_pushd_options() {{
    case "$1" in
{options}
    esac
}}
_pushd_complete() {{
    if (( CURRENT == 2 )); then
        compadd -- {names}
        _directories
    else
        compadd -- ${{=$(_pushd_options "$words[2]")}}
    fi
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
        case '*'
            __pushd_of_fish $argv
    end
end
complete -c pushd -n __fish_is_first_arg -a '{names}'
{options}
"""


@click.command("shell-init")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def shell_init(shell: str) -> None:
    """Print what lets a shell know our commands.

    Evaluate it once per session, or in the shell's start file. `pushd config` is then ours, and `pushd /tmp`, `pushd +1`,
    popd and dirs stay the shell's own. A folder that is named like a command is reached as `pushd ./config`. Names and
    options are completed.

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
    separator = " " if shell == "fish" else "|"
    quote = "'{}'".format if shell == "fish" else str
    patterns = separator.join(quote(pattern) for pattern in [*names, *_topic_patterns(), "-h", "--help", "--version"])
    return template.format(
        note=_NOTE, patterns=patterns, names=" ".join(names), options=_fish_options() if shell == "fish" else _case_options()
    ).rstrip("\n")


def _topic_patterns() -> list[str]:
    """`config:*` and so on: a mistyped `config:sett` gets our suggestion, not "no such file"."""
    return sorted({f"{name.partition(':')[0]}:*" for name in commands.COMMANDS if ":" in name} | {"hook"})


def _options_of(name: str) -> list[str]:
    from pushd.cli.main import load

    found = commands.maybe_command(name)
    parameters = load(found[1]).params if found else []
    return [flag for parameter in parameters if isinstance(parameter, click.Option) for flag in parameter.opts] + ["--help"]


def _case_options() -> str:
    rows = []
    for name in commands.names():
        options = [flag for flag in _options_of(name) if flag.startswith("--")]
        rows.append(f"        {name}) echo '{' '.join(options)}' ;;")
    return "\n".join(rows)


def _fish_options() -> str:
    rows = []
    for name in commands.names():
        for flag in _options_of(name):
            kind = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            rows.append(f"complete -c pushd -n '__fish_seen_subcommand_from {name}' {kind}")
    return "\n".join(rows)
