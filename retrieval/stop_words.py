"""Words that carry no subject, by language: those that a sentence is built with, or asks by.

Lists of our own, of the most frequent function words only: a word that may also be a subject is
better searched than dropped, since inverse document frequency makes what is frequent cheap anyway.
"""

from __future__ import annotations

from collections.abc import Mapping

_FUNCTION = {
    "en": """
        a about above after again against all also am an and any are arent as at be because been
        before being below between both but by can cannot cant could couldnt d did didnt do does
        doesnt doing dont down during each eg etc few for from further had hadnt has hasnt have
        havent having he her here hers herself him himself his i ie if im in into is isnt it its
        itself ive just ll m me more most must my myself no nor not now of off on once only or
        other our ours ourselves out over own re s same shall she should shouldnt so some such t
        than that thats the their theirs them themselves then there these they theyre this those
        through to too under until up ve very was wasnt we were werent while will with wont would
        wouldnt you your youre yours yourself yourselves""",
    "de": """
        ab aber alle allem allen aller alles als also am an auch auf aus bei beim bin bis bist da
        dabei dadurch dafür damit dann das dass daß dem den denn der des deren dessen dich die dies
        diese diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines
        er es etwa etwas euch euer eure für gegen hab habe haben hat hatte hatten hier hin hinter
        ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in indem ins ist ja je jede jedem jeden
        jeder jedes jetzt kann kein keine keinem keinen keiner können könnte man mehr mein meine
        meinem meinen meiner mich mir mit muss müssen nach nicht nichts noch nun nur ob oder ohne
        sehr sein seine seinem seinen seiner seit sich sie sind so solche soll sollen sollte
        sondern sonst über um und uns unser unsere unter vom von vor war waren warst weil wenn
        werde werden wird wo wollen wurde wurden zu zum zur zwar zwischen""",
    "fr": """
        a ai ainsi alors après au aucun aucune aussi autre autres aux avait avant avec avoir c car
        ce ceci cela celle celles celui ces cet cette ceux chaque chez comme contre d dans de
        depuis des donc dont du elle elles en encore entre es est et étaient était étant été être
        eu eux fait faut font furent fut hors ici il ils j je jusqu l la le les leur leurs lors
        lorsqu lui là m ma mais me mes mon même mêmes n ne ni nos notre nous on ont ou où par parce
        pas pendant peu peut peuvent plus pour pourra puis puisqu qu que qui s sa sans se sera
        seront ses si soient soit son sont sous suis sur t ta te tes toi ton tous tout toute toutes
        tu un une vers voici voilà vos votre vous y à""",
    "es": """
        a al algo alguna algunas alguno algunos ante antes así aunque bajo cada casi como con
        contra cual cuando de del desde donde durante e el ella ellas ello ellos en entre era eran
        es esa esas ese eso esos esta estaba estado estas este esto estos está están fue fueron ha
        había han has hasta hay he la las le les lo los me mi mis mucho muy más ni no nos nosotros
        nuestra nuestro o os otra otras otro otros para pero poco por porque pueda puede pueden
        pues que se según sea sean ser será si sido siempre sin sobre son su sus sí también tan
        tanto te tiene tienen toda todas todo todos tu tus un una unas uno unos usted ustedes y ya
        yo""",
    "it": """
        a ad ai agli al alla alle allo altri altro anche ancora avere aveva avevano c che chi ci
        con contro così cui d da dagli dai dal dall dalla dalle dallo degli dei del dell della
        delle dello di dopo dove due e ed era erano essere fino fra già gli ha hai hanno ho i il in
        io l la le lei lo loro lui ma me mi mia mie miei mio molto ne negli nei nel nell nella
        nelle nello noi non nostra nostro o ogni ora per però perché più poi prima può quale quando
        quanto quei quella quelle quelli quello questa queste questi questo qui se sei senza si sia
        siano siete sono sopra sotto sta stato su sua sue sugli sui sul sull sulla sulle sullo suo
        suoi te tra tu tua tuo tutta tutte tutti tutto un una uno v vi voi è""",
    "pt": """
        a ainda além ao aos aquela aquelas aquele aqueles aquilo as até cada com como contra da das
        de dela delas dele deles depois desde do dos e ela elas ele eles em entre era eram essa
        essas esse esses esta estas estava este estes está estão eu foi foram haver havia há isso
        isto já lhe lhes mais mas me mesmo meu meus minha muito na nas nem no nos nossa nosso não
        nós num numa o os ou outra outras outro outros para pela pelas pelo pelos perante pode
        podem por porque pois quando que se seja sem sendo ser será seu seus sob sobre sua suas são
        só também tem tendo ter teu tinha toda todas todo todos tu tua têm um uma umas uns você
        vocês à às é""",
    "nl": """
        aan al alle alleen als ander andere bij daar dan dat de deze die dit doch doen door dus een
        en er ge geen had hadden heb hebben heeft hem het hier hij hun ik in is ja je jij jou jouw
        jullie kan kon kunnen maar me meer men met mij mijn moet moeten na naar niet niets nog nu
        of om omdat ook op over reeds te tegen tegenover tijdens toch toen tot u uit uw van veel
        voor want waren was we werd werden wij worden wordt zal ze zei zich zij zijn zo zonder zou
        zullen""",
    "sv": """
        alla att av blev bli blir den denna deras dess dessa det detta dig din dina ditt du där då
        efter ej eller en er era ett från för ha hade han hans har henne hennes hon honom hos i
        icke in inom inte ja jag kan ju kunde man med mellan men mig min mina mitt mot mycket ni nu
        när någon något några och om oss på samma se sedan sig sin sina sitt ska skall skulle som
        så sådan till under upp ut utan vara varit varje vi vid väl än är åt över""",
    "da": """
        ad af alle alt at blev blive bliver da de dem den denne der deres det dette dig din disse
        dog du efter eller en end er et for fra få før han hans har havde have hende hendes her hos
        hun i ikke ind ja jeg jer kan kun kunne man mange med meget men mig min mod ned noget nogle
        nu når og også om op os over på selv sig sin sine skal skulle som sådan til ud under uden
        var vi vil ville være været""",
    "no": """
        alle at av bare ble bli blir blitt både da de deg dem den denne der deres det dette din
        disse du dette en eller enn er et etter for fordi fra få før ha hadde han hans har hennes
        her hos hun i ikke inn ja jeg kan kunne man mange med meg mellom men mer mot må ned nei noe
        noen nå når og også om opp oss over på samme seg selv sin sine skal skulle slik som så til
        under ut uten var ved vi vil ville være vært""",
    "fi": """
        ei eivät että he hän ilman itse ja jo joka jos jota kaikki kanssa kuin kun me mikään minä
        minun mukaan mutta myös ne niin niiden nuo nyt ole oli olivat olla on ovat saa sekä se sen
        siellä sinä sitten sitä tai te tuo tämä tämän vaan vai vain voi voidaan yli""",
    "pl": """
        a aby albo ale bardzo bez być był była było były będzie co dla do gdy go i ich im innych ja
        jak jako je jeden jego jej jest jeszcze jeśli już każdy lub ma mi mnie może można mu my na
        nad nie nim o od on ona one oni oraz po pod przed przez przy się są ta tak także tam te
        tego tej ten to tu ty tych tylko tym u w we więc wszystko z za ze że""",
    "ru": """
        а без более бы был была были было быть в вам вас ваш весь во вот все всего всех вы где да
        даже для до его ее её если есть еще ещё же за здесь и из или им их к как ко которая
        которого которое которой которые который которых ли либо мне можно мой мы на над надо нам
        нас наш не него нее неё нет ни них но ну о об однако он она они оно от очень по под при про
        с сам свой со так также такой там те тем то того тоже той только том ты у уже хотя чего чей
        чем что чтобы эта эти это этого этой этом этот я""",
}
_ASKING = {
    "en": "who whom whose what which when where why how many much",
    "de": """
        wer wen wem wessen was welche welchem welchen welcher welches wann wo wohin woher warum
        weshalb wieso wie viel viele wieviel wofür womit woran wodurch""",
    "fr": """
        qui que quoi quel quelle quels quelles quand où pourquoi comment combien lequel laquelle
        lesquels""",
    "es": """
        quién quiénes qué cuál cuáles cuándo dónde adónde cómo cuánto cuánta cuántos cuántas quien
        quienes cuales cuanto""",
    "it": "chi che cosa cosa quale quali quando dove perché come quanto quanta quanti quante",
    "pt": "quem que quê qual quais quando onde como quanto quanta quantos quantas porquê",
    "nl": "wie wat welk welke wanneer waar waarom waarheen hoe hoeveel wiens waarmee waarvoor",
    "sv": "vem vems vad vilken vilket vilka när var vart varför hur många mycket",
    "da": "hvem hvis hvad hvilken hvilket hvilke hvornår hvor hvorfor hvordan mange meget",
    "no": "hvem hva hvilken hvilket hvilke når hvor hvorfor hvordan mange mye",
    "fi": "kuka kenen mikä mitä mitkä milloin missä mihin mistä miksi miten kuinka paljonko",
    "pl": "kto kogo komu co czego jaki jaka jakie który która które kiedy gdzie dlaczego jak ile",
    "ru": """
        кто кого кому кем что чего чему какой какая какое какие каких когда где куда откуда почему
        зачем как сколько""",
}

_FUNCTION |= dict.fromkeys(("nb", "nn"), _FUNCTION["no"])
_ASKING |= dict.fromkeys(("nb", "nn"), _ASKING["no"])

FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _FUNCTION.items()
}
"""By two letters of ISO 639-1, in lower case and with their accents."""

QUESTION_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _ASKING.items()
}
"""They say what kind of answer is wanted, not what it is about."""
