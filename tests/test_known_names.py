from segsr_arch.known_names import close_matches, difference, nearest, nearest_hint


def test_a_message_shows_what_differs():
    assert difference("forest", "fоrest") == (
        "character 2 is o (U+006F LATIN SMALL LETTER O) in one and о (U+043E CYRILLIC SMALL LETTER O) in the other"
    )
    assert "character 4 is missing in one and \\x07 (U+0007 without a name)" in difference("abc", "abc\x07")
    assert nearest("plage_1", ["harbor", "plаge_1"]).startswith("; the nearest is plаge_1: character 3 is a (U+0061")
    assert nearest("plage_1", ["harbor"]) == ""


def test_a_name_that_is_not_known_gets_the_nearest_or_all_of_few():
    assert nearest_hint("Gelu", ["relu", "GELU", "tanh"]) == "; did you mean GELU?"
    assert nearest_hint("xyz", ["relu", "GELU"]) == "; known are: GELU, relu"
    assert nearest_hint("xyz", map(str, range(13))) == ""


def test_close_matches_take_no_notice_of_case_and_come_as_they_are_written():
    assert close_matches("msrresnt", ["EDSR", "MSRResNet", "SRResNet"], most=1) == ["MSRResNet"]
    assert close_matches("SRRESNET", ["EDSR", "MSRResNet", "SRResNet"]) == ["SRResNet", "MSRResNet"]
    assert close_matches("x" * 10**6, ["EDSR"]) == [] and close_matches("EDS", ["EDSR"], cutoff=0.9) == []
