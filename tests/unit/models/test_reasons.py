from models.reasons import TIPS, ReasonCode


def test_codes_are_those_other_programs_rely_on_in_the_order_of_the_head() -> None:
    assert [str(code) for code in ReasonCode] == [
        "too_dark",
        "overexposed",
        "glare",
        "low_contrast",
        "uneven_light",
        "blurry",
        "noisy",
        "low_resolution",
        "cut_off",
        "too_small",
        "blends_in",
        "colour_cast",
    ]


def test_every_code_has_a_different_tip_of_one_short_line() -> None:
    assert list(TIPS) == list(ReasonCode)
    assert len(set(TIPS.values())) == len(TIPS)
    assert all(": " in tip and tip.endswith(".") and len(tip) <= 100 for tip in TIPS.values())
