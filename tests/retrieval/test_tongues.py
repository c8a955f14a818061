"""Documents of several languages in one collection, each found by a question in its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.config import RetrievalConfig
from retrieval.explanation import Explanation
from retrieval.index.embedded import EmbeddedIndexes
from retrieval.retriever import Retriever
from retrieval.sparse import document_vector, passage_terms
from retrieval.types import Embedded, Index, Passage, Query

CORPUS = {
    "de/kuendigung": "Kündigungen der Versicherungen sind schriftlich einzureichen.",
    "de/garantie": "Die Garantien für unsere Geräte gelten zwei Jahre.",
    "de/reise": "Reisekosten werden nach Vorlage der Belege erstattet.",
    "de/nachbarn": "Wie wird man der beste Nachbar, für wen ist eine Feier, und wie lange?",
    "fr/resiliation": "Les contrats d'assurance peuvent être résiliés par écrit.",
    "fr/garantie": "Tous les appareils sont garantis pendant deux années.",
    "fr/voyage": "Les frais de déplacement sont remboursés sur présentation des reçus.",
    "fr/voisins": "Comment être un voisin, quelle est la fête pour les uns d'un soir ?",
    "es/rescision": "Los contratos de seguro se rescinden por escrito.",
    "es/garantia": "Las garantías de los aparatos duran dos años.",
    "es/viaje": "Los gastos de viaje se reembolsan al presentar los recibos.",
    "es/vecinos": "¿Cómo se es vecino, cuánto dura la fiesta de un barrio y quién es el de los?",
    "ru/dogovor": "Договоры страхования расторгаются в письменной форме.",
    "ru/garantia": "Гарантии на приборы действуют два года.",
    "ru/poezdka": "Командировочные расходы возмещаются по квитанциям.",
    "ru/sosedi": "Как быть соседом, сколько действует тишина и кто на празднике?",
    "en/termination": "Insurance contracts are terminated in writing.",
    "en/warranty": "The warranties of all devices last two years.",
    "en/travel": "Travel expenses are refunded against receipts.",
}
ASKED = {
    "Wie ist eine Kündigung der Versicherung einzureichen?": "de/kuendigung",
    "Wie lange gilt die Garantie für ein Gerät?": "de/garantie",
    "Welcher Beleg ist für Reisekosten nötig?": "de/reise",
    "Comment résilier un contrat d’assurance ?": "fr/resiliation",
    "Quelle est la garantie pour un appareil ?": "fr/garantie",
    "Comment rembourser les frais d'un déplacement ?": "fr/voyage",
    "¿Cómo se rescinde el contrato del seguro?": "es/rescision",
    "¿Cuánto dura la garantía de un aparato?": "es/garantia",
    "¿Quién reembolsa el gasto de los viajes?": "es/viaje",
    "Как расторгнуть договор страхования?": "ru/dogovor",
    "Сколько действует гарантия на прибор?": "ru/garantia",
    "Как возместить командировочный расход?": "ru/poezdka",
    "How is an insurance contract terminated?": "en/termination",
    "How long is the warranty of a device?": "en/warranty",
    "Is a receipt needed for a travel expense?": "en/travel",
}


async def opened(indexes: EmbeddedIndexes, told: bool) -> Index:
    """The corpus; `told` says whether the documents' languages are known."""
    index = await indexes.open("docs", create=True)
    assert index is not None
    documents = []
    for source, text in CORPUS.items():
        meta = {"language": source[:2]} if told else {}
        passage = Passage(source, source, "v", 0, "", (), text, 0, len(text), meta=meta)
        vectors = np.array([[1, 0]], dtype=np.float32)
        sparse = document_vector(passage_terms(passage), 5)
        documents.append(Embedded(source, "v", [passage], vectors, [sparse]))
    await index.write(documents)
    return index


async def found(index: Index) -> int:
    """How many of the questions find their document first."""
    retriever = Retriever(RetrievalConfig(dense_weight=0))
    right = 0
    for question, source in ASKED.items():
        hits = await retriever.search(index, Query(question, np.array([1, 0], dtype=np.float32)))
        right += hits[0].passage.document == source
    return right


@pytest.mark.anyio
async def test_each_language_finds_its_own_inflected_words(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    assert await found(await opened(indexes, told=True)) == len(ASKED)
    await indexes.aclose()


@pytest.mark.anyio
async def test_a_word_alone_is_looked_for_in_the_languages_that_are_configured(
    tmp_path: Path,
) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    index = await opened(indexes, told=True)
    query = Query("belegen", np.array([1, 0], dtype=np.float32))
    explanation = Explanation()
    await Retriever(RetrievalConfig()).search(index, query, explanation=explanation)
    assert not explanation.stages["bm25"]
    await Retriever(RetrievalConfig(languages=("de",))).search(
        index, query, explanation=explanation
    )
    assert [hit.passage.document for hit in explanation.stages["bm25"]] == ["de/reise"]
    await indexes.aclose()


@pytest.mark.anyio
async def test_without_the_languages_fewer_are_found(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    assert await found(await opened(indexes, told=False)) < len(ASKED)
    await indexes.aclose()
