from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from retrieval.language import LANGUAGES, language

SAID = {
    "ar": ["يجب على الموظف الإخطار قبل شهرين."],
    "cs": ["Zaměstnanec musí dát výpověď dva měsíce předem.", "Jaká je výpovědní lhůta?"],
    "da": ["Medarbejderen skal opsige med to måneders varsel."],
    "de": [
        "Der Arbeitnehmer muss zwei Monate im Voraus kündigen.",
        "Wie lang ist die Kündigungsfrist?",
        "Passwort zurücksetzen",
    ],
    "el": ["Ο εργαζόμενος πρέπει να ειδοποιήσει δύο μήνες πριν."],
    "en": [
        "The employee must give notice two months in advance.",
        "What is the notice period?",
        "how many holidays",
        "Sort a list of numbers in Python",
    ],
    "es": ["El empleado debe avisar con dos meses de antelación.", "restablecer contraseña"],
    "fi": ["Työntekijän on irtisanouduttava kaksi kuukautta etukäteen.", "Mikä on hinta?"],
    "fr": ["Le salarié doit donner un préavis de deux mois.", "Quel est le délai de préavis ?"],
    "hu": ["A munkavállalónak két hónappal előre fel kell mondania."],
    "it": ["Il dipendente deve dare un preavviso di due mesi.", "giorni di ferie"],
    "ja": ["従業員は2か月前に通知する必要があります。"],
    "ko": ["직원은 두 달 전에 통보해야 합니다."],
    "nl": ["De werknemer moet twee maanden van tevoren opzeggen.", "hoeveel vakantiedagen"],
    "pl": ["Pracownik musi złożyć wypowiedzenie.", "Jaki jest okres wypowiedzenia?"],
    "pt": ["O empregado deve avisar com dois meses de antecedência."],
    "ro": ["Angajatul trebuie să anunțe cu două luni înainte."],
    "ru": ["Сотрудник должен уведомить за два месяца."],
    "sv": ["Den anställde måste säga upp sig två månader i förväg."],
    "tr": ["Çalışan iki ay önceden bildirimde bulunmalıdır."],
    "uk": ["Працівник повинен повідомити за два місяці."],
    "zh": ["员工必须提前两个月通知。"],
}


@pytest.mark.parametrize(("code", "text"), [(c, t) for c, texts in SAID.items() for t in texts])
def test_tells_a_sentence(code: str, text: str) -> None:
    assert language(text) == code


@pytest.mark.parametrize(
    "text",
    ["", "   ", "12345", "EU-4021-B", "Windows 10", "iPhone 15 Pro Max", "SELECT * FROM a", "Apple",
     "foo_bar() camelCase", "def f(x): return x", "Berlin", "https://example.com/der/die/das"],
)  # fmt: skip
def test_says_nothing_where_it_is_not_certain(text: str) -> None:
    assert language(text) == ""


def test_a_long_text_is_told_by_a_part_of_it() -> None:
    assert language("Der Arbeitnehmer muss zwei Monate im Voraus kündigen. " * 100_000) == "de"


def test_all_codes_have_two_letters() -> None:
    assert all(len(code) == 2 for code in LANGUAGES)
    assert list(LANGUAGES) == sorted(LANGUAGES)


def test_threads_may_ask_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(language, ["Das ist ein deutscher Satz."] * 64)) == {"de"}
