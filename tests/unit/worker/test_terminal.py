import pytest

from worker.terminal import short_names


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["a/b/one.jpg", "a/b/two.jpg"], ["one.jpg", "two.jpg"]),
        (["one.jpg", "two.jpg"], ["one.jpg", "two.jpg"]),
        (["a/one.jpg", "b/one.jpg"], ["a/one.jpg", "b/one.jpg"]),
        (["a/one.jpg", "one.jpg"], ["a/one.jpg", "one.jpg"]),
        (["a/b/one.jpg"], ["one.jpg"]),
        (["folder/"], ["folder/"]),
        (["-"], ["-"]),
        ([], []),
    ],
)
def test_the_folder_that_all_are_in_is_left_out(names: list[str], short: list[str]) -> None:
    assert short_names(names) == short
