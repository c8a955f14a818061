"""Words whose exchange changes what is asked for. English; other languages have numbers and names.

Opposites are pairs. Of the other lists every string is one kind of thing; what stands between two
commas are words for one thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_TENS = "thirty forty fifty sixty seventy eighty ninety"
NUMBERS = MappingProxyType(
    {
        **{word: value for value, word in enumerate(_SMALL.split())},
        **{word: 10 * value for value, word in enumerate(_TENS.split(), 3)},
        "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12,
        "lakh": 10**5, "lakhs": 10**5, "crore": 10**7, "crores": 10**7, "dozen": 12, "twice": 2,
        "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
    }
)  # fmt: skip
"""`one`, `first`, `second` and `third` are often none."""
NO_NUMBERS = frozenset(("one", "first", "second", "third"))

_UNITS = (
    "mm millimeter millimeters millimetre millimetres, cm centimeter centimeters centimetre "
    "centimetres, m meter meters metre metres, km kilometer kilometers kilometre kilometres kms, "
    "inch inches, foot feet ft, yard yards, mile miles",
    "mg milligram milligrams, g gram grams gm gms, kg kilo kilos kilogram kilograms kgs, "
    "ounce ounces oz, pound pounds lb lbs, ton tons tonne tonnes",
    "celsius centigrade, fahrenheit, kelvin",
    "ml milliliter milliliters millilitre millilitres, liter liters litre litres, "
    "gallon gallons, cup cups, pint pints, quart quarts, tablespoon tablespoons tbsp, "
    "teaspoon teaspoons tsp",
    "second seconds sec secs, minute minutes min mins, hour hours hr hrs hourly, "
    "day days daily, week weeks weekly, fortnight, month months monthly, "
    "year years yearly annual annually, decade decades, century centuries",
    "dollar dollars usd $ bucks, euro euros eur €, gbp £ sterling pound pounds, "
    "rupee rupees inr ₹, yen jpy ¥, yuan cny renminbi, peso pesos, franc francs, ruble rubles, "
    "won, bitcoin bitcoins",
    "byte bytes, kb kilobyte kilobytes, mb megabyte megabytes, gb gigabyte gigabytes, "
    "tb terabyte terabytes",
    "watt watts, kilowatt kilowatts kw, megawatt megawatts mw",
    "am a.m, pm p.m",
)
_DATES = (
    "monday mondays, tuesday tuesdays, wednesday wednesdays, thursday thursdays, friday fridays, "
    "saturday saturdays, sunday sundays",
    "january jan, february feb, march, april apr, june jun, july jul, august aug, "
    "september sep sept, october oct, november nov, december dec",
    "yesterday, today, tonight, tomorrow",
    "morning, noon, afternoon, evening, midnight",
    "spring, autumn, winter, summer",
    "breakfast, lunch, dinner supper, brunch",
)
_NAMES = (
    "english, spanish, italian, french, german, russian, chinese mandarin, cantonese, japanese, "
    "portuguese, arabic, hindi, korean, turkish, dutch, swedish, norwegian, danish, finnish, "
    "polish, czech, greek, hebrew, persian farsi, urdu, tamil, telugu, kannada, malayalam, "
    "bengali, marathi, punjabi, gujarati, latin, thai, vietnamese, indonesian, ukrainian, "
    "hungarian, romanian, swahili, esperanto, tagalog, hawaiian, irish, indian, american, "
    "canadian, australian, british, pakistani, mexican, african, european, asian, brazilian",
    "india, china, pakistan, america us usa u.s u.s.a states, canada, australia, germany, france, "
    "japan, russia, brazil, uk u.k britain england, scotland, ireland, wales, mexico, italy, "
    "spain, turkey, iran, iraq, israel, palestine, syria, afghanistan, saudi, singapore, malaysia, "
    "indonesia, philippines, vietnam, thailand, korea, bangladesh, nepal, bhutan, srilanka, "
    "nigeria, egypt, kenya, ghana, ethiopia, africa, europe, asia, antarctica, argentina, chile, "
    "peru, colombia, venezuela, cuba, portugal, netherlands holland, belgium, switzerland, "
    "austria, poland, ukraine, sweden, norway, denmark, finland, iceland, greece, hungary, "
    "romania, qatar, kuwait, oman, jordan, lebanon, morocco, algeria, zealand, taiwan",
    "london, paris, tokyo, delhi, mumbai bombay, kolkata calcutta, chennai, bangalore bengaluru, "
    "hyderabad, pune, jaipur, lucknow, chandigarh, kerala, gujarat, goa, karachi, lahore, "
    "chicago, boston, seattle, houston, denver, dallas, miami, atlanta, austin, phoenix, "
    "portland, detroit, cleveland, philadelphia philly, orlando, vegas, nashville, baltimore, "
    "pittsburgh, minneapolis, sacramento, oakland, francisco, angeles la, york nyc, brooklyn, "
    "manhattan, dubai, sydney, melbourne, toronto, vancouver, montreal, moscow, berlin, munich, "
    "rome, milan, madrid, barcelona, lisbon, vienna, prague, dublin, amsterdam, brussels, zurich, "
    "istanbul, cairo, beijing, shanghai, seoul, bangkok, jakarta, manila, texas, california, "
    "florida, nevada, arizona, oregon, ohio, michigan, illinois, utah, colorado, hawaii, alaska, "
    "virginia, carolina, indiana, tennessee, louisiana, maryland, massachusetts, pennsylvania",
    "google, facebook fb, microsoft, apple, amazon, twitter, instagram, quora, whatsapp, "
    "snapchat, uber, lyft, netflix, youtube, linkedin, yahoo, ebay, paypal, tesla, samsung, "
    "nokia, sony, intel, nvidia, amd, oracle, ibm, infosys, tcs, wipro, accenture, cognizant, "
    "flipkart, airbnb, reddit, tumblr, pinterest, spotify, skype, telegram, wikipedia, tinder",
    "python, java, javascript js, php, ruby, perl, matlab, scala, kotlin, swift, haskell, rust, "
    "golang, fortran, cobol, c++ cpp, c#",
    "android, ios, windows, linux ubuntu, mac macos osx",
    "chrome, firefox, safari, opera",
    "visa, mastercard, discover, amex",
    "checking, savings, retirement, 401k",
    "math mathematics maths, physics, chemistry, biology, history, economics, psychology, "
    "philosophy, geography, geology, astronomy, sociology, accounting, statistics, calculus, "
    "algebra, geometry",
    "dog dogs puppy, cat cats kitten, horse horses, cow cows, pig pigs, rabbit rabbits, "
    "snake snakes, hamster hamsters, bird birds, fish",
    "chicken, beef, pork, lamb, salmon, tuna, shrimp, tofu, turkey, rice, pasta, pizza, lasagna, "
    "bread, soup, steak, bacon, egg eggs, potato potatoes, tomato tomatoes, onion onions",
    "red, blue, green, yellow, black, white, purple, pink, orange, brown, grey gray",
    "mother mom mum, father dad, brother, sister, wife, husband, son, daughter, boyfriend, "
    "girlfriend, grandmother grandma, grandfather grandpa, cousin, nephew, niece",
    "doctor, lawyer, engineer, teacher, nurse, accountant, pilot, dentist, plumber, architect, "
    "pharmacist, journalist",
    "trump, hillary clinton, obama, modi, putin, bush, sanders, kejriwal, gandhi, hitler, stalin",
    "christianity christian christians, islam muslim muslims, hinduism hindu hindus, "
    "buddhism buddhist buddhists, judaism jewish jews jew, sikhism sikh sikhs",
    "hydrogen, helium, oxygen, nitrogen, carbon, sodium, chlorine, iron, copper, gold, silver, "
    "aluminum aluminium, lead, zinc, uranium, calcium, potassium, magnesium",
    "mercury, venus, earth, mars, jupiter, saturn, uranus, neptune, pluto, moon, sun",
    "football soccer, cricket, tennis, basketball, baseball, hockey, rugby, golf, chess, badminton",
    "guitar, piano, violin, drums, flute, saxophone, trumpet",
    "ielts, toefl, gre, gmat, sat, cat, gate, neet, jee, upsc, ssc, clat, mcat, lsat",
    "btech b.tech, mtech m.tech, mba, bba, mbbs, phd, bsc, msc, mca, bca, llb",
)  # fmt: skip
_OPPOSITES = (
    "increase decrease, increase reduce, increase lower, raise lower, raise reduce, before after, "
    "buy sell, more less, more fewer, most least, gain lose, best worst, better worse, open close, "
    "enable disable, activate deactivate, add remove, add delete, create delete, start stop, "
    "start end, begin end, start finish, win lose, love hate, like dislike, high low, fast slow, "
    "quick slow, big small, large small, long short, old new, old young, hot cold, warm cool, "
    "hard easy, difficult easy, strong weak, rich poor, good bad, male female, men women, "
    "man woman, boys girls, boy girl, guys girls, import export, upload download, lock unlock, "
    "legal illegal, possible impossible, advantages disadvantages, advantage disadvantage, "
    "pros cons, positive negative, public private, married single, married unmarried, left right, "
    "up down, upgrade downgrade, deposit withdraw, deposit withdrawal, borrow lend, lend owe, "
    "send receive, arrive leave, arrive depart, arrival departure, early late, first last, "
    "first final, cheap expensive, maximum minimum, max min, success failure, succeed fail, "
    "true false, north south, east west, encrypt decrypt, encode decode, accept reject, "
    "accept decline, approve reject, approve deny, allow deny, allow forbid, on off, "
    "inside outside, inner outer, above below, safe dangerous, safe unsafe, healthy unhealthy, "
    "awake asleep, push pull, install uninstall, subscribe unsubscribe, follow unfollow, "
    "freeze unfreeze, block unblock, hide show, hide unhide, connect disconnect, "
    "appear disappear, strengths weaknesses, strength weakness, benefits drawbacks, "
    "benefits risks, introvert extrovert, introverts extroverts, debit credit, day night, "
    "all none, always never, everyone nobody, alive dead, live die, happy sad, happy unhappy, "
    "mount unmount, login logout, pass fail, rise fall, grow shrink, profit loss, give take, "
    "save spend, earn spend, join leave, entry exit, enter exit, input output, internal external, "
    "same different, similar different, similarities differences, agree disagree, "
    "visible invisible, mute unmute, pause resume, hired fired, employed unemployed, "
    "optimistic pessimistic, honest dishonest, natural artificial, theoretical practical, "
    "major minor, majority minority, superior inferior, interior exterior, vertical horizontal, "
    "buyer seller, employer employee, teacher student, winner loser, landlord tenant, "
    "plaintiff defendant, creditor debtor, host guest, sender receiver, client server, "
    "tighter looser, forward backward, forwards backwards, clockwise counterclockwise, "
    "cure cause, prevent cause, prevent promote, encourage discourage, attract repel"
)
_INFLECTED = ("", "s", "d", "ed", "r", "er", "st", "est", "ing")


def _classes(lines: Iterable[str]) -> Mapping[str, Sequence[tuple[int, str]]]:
    """Each word's kinds with the things that it names: a pound is a weight, and money too."""
    found: dict[str, list[tuple[int, str]]] = {}
    for kind, line in enumerate(lines):
        for thing in line.split(","):
            first, *_ = words = thing.split()
            for word in words:
                found.setdefault(word, []).append((kind, first))
    return MappingProxyType(found)


def _opposites(pairs: str) -> Mapping[str, frozenset[str]]:
    """Each word's opposites, in all forms that both words take alike."""
    found: dict[str, set[str]] = {}
    for pair in pairs.split(","):
        one, other = pair.split()
        for ending in _INFLECTED:
            first, second = _with(one, ending), _with(other, ending)
            found.setdefault(first, set()).add(second)
            found.setdefault(second, set()).add(first)
    return MappingProxyType({word: frozenset(others) for word, others in found.items()})


def _with(word: str, ending: str) -> str:
    if ending in ("ed", "er", "est", "ing") and word.endswith("e"):
        return word[:-1] + ending
    if ending in ("er", "est") and word.endswith(("g", "t")) and word[-2] in "aiou":
        return f"{word}{word[-1]}{ending}"
    if ending in ("er", "est") and word.endswith("y"):
        return f"{word[:-1]}i{ending}"
    return word + ending


UNITS, DATES, NAMES = _classes(_UNITS), _classes(_DATES), _classes(_NAMES)
OPPOSITES = _opposites(_OPPOSITES)
NEGATIONS: Sequence[str] = ("not", "no", "never", "without", "cannot", "none", "neither", "nor")
