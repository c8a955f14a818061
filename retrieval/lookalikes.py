"""Letters that look like a Latin one: of other alphabets, and of the phonetic one.

From Unicode's confusables.txt, those of them that a word can be written in.
"""

from __future__ import annotations

ALPHABETS = str.maketrans(
    "аесорхуіјѕһԁԛԝӏкмтвнАВЕКМНОРСТХУІЈЅԌοαικνρτυχεΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aecopxyijshdqwlkmtbhABEKMHOPCTXYIJSGoaiknptuxeABEZHIKMNOPTYX",
)
"""Cyrillic and Greek ones."""

RARE = str.maketrans(
    "ɑᴀᴄᴅᴇꜰɪıɩᴋʟᴍɴᴏᴘʀᴦгᴛᴜᴠꜱѵпսօոզᏚᎢᎬᏢᎪᏟᎠᎷᏦᏞᏙꓢꓔꓑꓮꓝꓟꓠꓡꓚꓓꓰꓲꓳꓣꓴꓦꓫꓗ",
    "aacdefiiiklmnoprrrtuvsvnuonqstepacdmklvstpafmnlcdeioruvxk",
)
"""Others, all as small letters."""
