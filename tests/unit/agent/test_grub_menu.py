"""What GRUB would start, from menus that grub-mkconfig wrote, and every doubt."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.agent.grub_menu import MENU, BootEntry, Platform, default_entry
from provisioner.agent.grub_player import command_line
from provisioner.agent.grub_script import DEEPEST, LARGEST, GrubError, parse
from provisioner.golden import boot

MENUS = Path(__file__).parents[2] / "golden" / "grub"
UUID = "0e385462-f6cb-5fdc-96a3-a29f27f8783a"
OTHER = "11111111-2222-3333-4444-555555555555"
NEW, OLD = "6.1.0-57-amd64", "6.1.0-1-amd64"
ENVIRONMENT = "/boot/grub/grubenv"
DEBIAN = 'root=/dev/vda4 ro console=tty0 console=ttyS0,115200 "foo=a b" quiet'


def started(text: str, platform: Platform = "efi", **files: str) -> BootEntry:
    known = {MENU: text, **{path: body for path, body in files.items()}}
    return default_entry(known.get, UUID, platform)


def menu(name: str) -> str:
    return (MENUS / f"{name}.cfg").read_text()


def kernel(version: str, arguments: str, title: str) -> BootEntry:
    path = f"/boot/vmlinuz-{version}"
    return BootEntry(title, path, (f"/boot/initrd.img-{version}",), f"BOOT_IMAGE={path} {arguments}".rstrip())


@pytest.mark.parametrize("platform", ["efi", "pc"])
@pytest.mark.parametrize(
    ("name", "environment", "expected"),
    [
        ("debian12", "", kernel(NEW, DEBIAN, "Debian GNU/Linux")),
        ("debian12-saved", "", kernel(NEW, DEBIAN, "Debian GNU/Linux")),
        (
            "debian12-saved",
            f"# GRUB Environment Block\nsaved_entry=gnulinux-advanced-{UUID}>gnulinux-{OLD}-advanced-{UUID}\n"
            + "#" * 900,
            kernel(OLD, DEBIAN, f"Debian GNU/Linux, with Linux {OLD}"),
        ),
        ("debian12-submenu", "", kernel(OLD, DEBIAN, f"Debian GNU/Linux, with Linux {OLD}")),
        ("ubuntu", "", kernel(NEW, "root=/dev/vda4 ro quiet splash vt.handoff=7", "Ubuntu")),
    ],
)
def test_the_default_entry_is_what_grub_would_hand_over(
    name: str, environment: str, expected: BootEntry, platform: Platform
) -> None:
    assert started(menu(name), platform, **{ENVIRONMENT: environment}) == expected


def test_the_images_own_menu_starts_its_linked_kernel(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").symlink_to("boot/vmlinuz-6.1")
    seen = started(boot.menu(tmp_path, UUID))
    assert (seen.kernel, seen.initrds) == ("/vmlinuz", ("/initrd.img",))
    assert seen.command_line == (
        f"BOOT_IMAGE=/vmlinuz root=UUID={UUID} ro console=tty0 console=ttyS0,115200 net.ifnames=1"
    )


def entry(arguments: str = "ro", before: str = "", inside: str = "") -> str:
    found = f"search --no-floppy --fs-uuid --set=root {UUID}"
    return (
        f"{before}\nmenuentry 'One' {{\n{found}\n{inside}\nlinux /vmlinuz {arguments}\ninitrd /initrd\n}}\n"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its menu is empty"),
        (entry(before="set timeout=-1"), "waits for somebody to choose"),
        (entry(before="submenu 'More' {\n}\n"), "its default is a submenu"),
        (entry(inside="set root='hd0,gpt2'"), "its kernel lies on hd0,gpt2"),
        (entry(inside=f"search --fs-uuid --set=root {OTHER}"), f"its kernel lies on UUID={OTHER}"),
        (entry(inside="search --label --set=root VAULT"), "a disk that only GRUB knows"),
        (
            entry(before="if loadfont x; then\nset default=1\nfi"),
            "which entry is the default, only GRUB knows",
        ),
        (entry(before="if hwmatch x 3; then\nmenuentry 'Zero' {\n}\nfi"), "depends on what only GRUB knows"),
        (entry(before="if loadfont x; then set extra=1; fi", arguments="ro $extra"), "only GRUB knows"),
        (entry(before="if sleep 1; then\nboot\nfi"), "whether it boots here, only GRUB knows"),
        (entry(before="load_env\nsave_env chosen"), "would write to its environment"),
        (entry(before="configfile /other.cfg"), "'configfile' is not understood"),
        (entry(before="insmod a | insmod b"), "| is not understood"),
        (entry(before="for x in 1 2; do\necho\ndone"), "is not expected here"),
        (entry(before="set superusers=root\npassword root x"), "'password' is not understood"),
        (entry(before="set a='open"), "is never closed"),
        (entry(before="function f {\nf\n}\nf"), "calls itself"),
        (entry(before="if [ a -lt b ]; then\necho\nfi"), "compared as a number"),
        (entry(before="if [ a ~ b ]; then\necho\nfi"), "is not understood"),
        (entry(before="menuentry 'Windows' {\nchainloader /efi\n}"), "'chainloader' is not understood"),
        (entry(before="menuentry 'Empty' {\n}"), "starts no Linux kernel"),
        ("linux (hd0,1)/vmlinuz ro\nboot", "names no path on its root"),
        ("initrd /initrd\nboot", "stands before its kernel"),
        ("linux /vmlinuz ro\n", "its menu is empty"),  # GRUB would stop at its prompt
        ("menuentry 'x' {\n", "it ends early"),
        ("fi", "is not expected here"),
        ("}", "has nothing to end"),
        ("if true; then\n" * (DEEPEST + 1), "too deep"),
        ("#" * (LARGEST + 1), "characters"),
    ],
)
def test_what_is_not_clear_is_named(text: str, why: str) -> None:
    with pytest.raises(GrubError, match=r".") as doubt:
        started(text)
    assert why in str(doubt.value), doubt.value


@pytest.mark.parametrize("name", ["debian12", "debian12-saved", "debian12-submenu", "ubuntu"])
def test_an_entry_that_is_meant_for_one_boot_is_left_to_grub(name: str) -> None:
    with pytest.raises(GrubError, match="would write to its environment"):
        started(menu(name), **{ENVIRONMENT: "next_entry=1\n"})


def test_without_a_menu_it_is_said() -> None:
    with pytest.raises(GrubError, match=r"no /boot/grub/grub\.cfg"):
        default_entry({}.get, UUID, "efi")


def test_what_only_grub_knows_does_no_harm_where_it_decides_nothing() -> None:
    before = "if loadfont $font ; then\nset gfxmode=auto\nelse\nset gfxmode=text\nfi\nterminal_output gfxterm"
    assert started(entry(before=before)).command_line == "BOOT_IMAGE=/vmlinuz ro"


def test_variables_are_split_where_they_are_not_quoted() -> None:
    before = "set a='x  y'\nset b=''\nset c=z"
    seen = started(entry('$a "$a" $b "$b"q${c}w 1$a', before))
    assert seen.command_line == 'BOOT_IMAGE=/vmlinuz x y "x  y" qzw 1x y'


def test_several_initrds_are_kept_in_their_order() -> None:
    text = entry().replace("initrd /initrd", "initrd /ucode.img /initrd")
    assert started(text).initrds == ("/ucode.img", "/initrd")


words = st.lists(st.text(string.ascii_letters + string.digits + ' =.,:/_-\\"$;{}#|&', min_size=1), max_size=6)


@given(words)
def test_quoted_words_reach_the_kernel_as_they_are(given_words: list[str]) -> None:
    quoted = " ".join(f"'{word}'" for word in given_words)
    assert started(entry(quoted)).command_line == command_line(["BOOT_IMAGE=/vmlinuz", *given_words])


def as_linux_reads(line: str) -> list[str]:
    """The parameters of a command line (Linux, lib/cmdline.c, next_arg): quotes keep spaces together."""
    found, now, is_quoted = [], "", False
    for sign in line:
        if sign == '"':
            is_quoted = not is_quoted
        elif sign == " " and not is_quoted:
            found.append(now)
            now = ""
        else:
            now += sign
    return [word for word in [*found, now] if word]


@given(st.lists(st.text(string.ascii_letters + string.digits + " =.,:/_-", min_size=1), max_size=6))
def test_linux_takes_apart_what_was_joined(given_words: list[str]) -> None:
    assert as_linux_reads(command_line(given_words)) == given_words


@given(st.text("${}[]'\"\\;\n =abifthenlsemuyd#>|", max_size=200))
def test_no_text_does_more_than_to_be_refused(text: str) -> None:
    try:
        started(text)
    except GrubError as doubt:
        assert str(doubt)


@given(st.sampled_from(["debian12", "debian12-saved", "ubuntu"]), st.data())
def test_a_damaged_menu_starts_a_kernel_of_its_own_or_none(name: str, data: st.DataObject) -> None:
    whole = menu(name)
    place = data.draw(st.integers(0, len(whole) - 1))
    end = place + data.draw(st.integers(0, 300))
    damaged = whole[:place] + data.draw(st.text("'\"${};\n x", max_size=3)) + whole[end:]
    try:
        seen = started(damaged)
    except GrubError:
        return
    assert seen.kernel in damaged and all(path in damaged for path in seen.initrds)


def test_a_comment_ends_with_its_line() -> None:
    assert parse("# one\necho two#three # four\n") == parse("\necho two#three")
