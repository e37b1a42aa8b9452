"""A published policy that a service loads and serves.

>>> from ltrr.artifacts.bundle import move_pointer, publish_bundle, uniform_bundle
>>> from ltrr.artifacts.manifest import PolicySettings
>>> from datetime import date
>>> root = "memory://doctest-policies"
>>> settings = PolicySettings("search", ("title", "memory"), block_size=2, budget=2)
>>> version = publish_bundle(root, "search", *uniform_bundle(settings, date(2026, 3, 1)))
>>> move_pointer(root, "search", version)
1
>>> policy = Policy.load(f"{root}/search")
>>> looks = [Block("title", 1, "ok", ("e1", "e2"), (2.0, 1.0)), Block("memory", 1, "empty")]
>>> choice = policy.plan("The Matrix", looks, seed="impression-1")
>>> choice.action, round(choice.propensity, 3), choice.blocks
('memory:2', 0.333, (('memory', 1), ('memory', 2)))
>>> policy.rank("The Matrix", looks).entity_ids
('e1', 'e2')
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ltrr.arrays import Floats
from ltrr.artifacts.decision_record import decision_record, slate_entries
from ltrr.artifacts.history import QueryHistories
from ltrr.artifacts.looks import block_entries
from ltrr.artifacts.manifest import Manifest
from ltrr.artifacts.pointer import Canary, current_pointer
from ltrr.artifacts.store import Store
from ltrr.core.exploration import Distribution
from ltrr.core.facts import CandidateFacts, overlaps_of
from ltrr.core.hashing import unit_interval
from ltrr.core.planning import Block
from ltrr.core.plans import PlanSpace
from ltrr.core.situation import UNKNOWN_SITUATION, Situation
from ltrr.errors import LtrrError
from ltrr.serving.bandit import Choice, PlanChooser
from ltrr.serving.loader import LoadedBundle, ServedBundles, load_bundles, with_canary
from ltrr.serving.looks import Fields, check_looks, facts_of
from ltrr.serving.plan_choice import PlanChoice, check_served_by, check_situation, take_plan
from ltrr.serving.ranker import Overlaps, Slate

logger = logging.getLogger(__name__)


class Policy:
    """One policy. Threads may share it, and `reload` may run during requests."""

    def __init__(self, bundles: ServedBundles, url: str = "") -> None:
        self._bundles = bundles
        self._url = url

    @staticmethod
    def load(url: str | os.PathLike[str], version: str | None = None) -> Policy:
        """Load a policy from `<policies>/<name>`, every byte verified.

        Args:
            url: Folder of the policy, on any fsspec file system.
            version: Version to load; by default the current one.

        Raises:
            NotReadyError: nothing is published yet.
            ArtifactError: the bundle is incomplete, altered, or of another format.
        """
        address = os.fspath(url).rstrip("/")
        return Policy(load_bundles(address, version), address)

    @staticmethod
    def of(manifest: Manifest, files: Mapping[str, bytes]) -> Policy:
        """The policy of an unpublished bundle, to evaluate it with the code that serves."""
        return Policy(ServedBundles(LoadedBundle.of(manifest, files)))

    def pinned(self) -> Policy:
        """The policy with the champion's bundle only, which a `reload` does not change."""
        return Policy(self._bundles.alone(), self._url)

    def for_user(self, user: str) -> Policy:
        """The policy for one request of this user; a `reload` meanwhile does not change it.

        While a canary runs, a hash of the user draws its version or the champion's, always the same
        for one user. Without a canary, and for a search without a user (""), it is the champion's.

        Args:
            user: The service's id of the user, the same that `record` gets.
        """
        return Policy(self._bundles.for_user(user), self._url)

    def reload(self) -> bool:
        """Follow the pointer; return whether another version is served from now on, to any user.

        If a new bundle is invalid, or the store does not answer, this is logged and the last valid
        bundle stays in use. An invalid bundle of a canary is loaded again at the next call; until
        then the champion serves all users.
        """
        held = self._bundles
        try:
            if current_pointer(Store(self._url)).sequence != held.sequence:
                bundles = load_bundles(self._url)
            elif held.canary is not None and held.canary_bundle is None:
                bundles = with_canary(self._url, held)
            else:
                return False
        except (LtrrError, OSError) as fault:
            logger.warning("policy=%s serving=%s reload=refused reason=%s", self._url, self.version, fault)
            return False
        self._bundles = bundles
        logger.info("policy=%s serving=%s sequence=%d", self._url, "+".join(bundles.versions), bundles.sequence)
        return bundles.versions != held.versions

    @property
    def _bundle(self) -> LoadedBundle:
        return self._bundles.bundle

    @property
    def canary(self) -> Canary | None:
        """The canary that is served; None without a canary, or if its bundle is invalid."""
        return self._bundles.canary if self._bundles.canary_bundle else None

    @property
    def version(self) -> str:
        """Version of the bundle that is served."""
        return self._bundle.version

    @property
    def is_shadow(self) -> bool:
        """Whether the service shows its own static page and only logs the policy's choice."""
        return self.manifest.shadow

    @property
    def manifest(self) -> Manifest:
        """Manifest of the bundle that is served."""
        return self._bundle.manifest

    @property
    def space(self) -> PlanSpace:
        """The plans."""
        return self._bundle.chooser.space

    @property
    def history(self) -> QueryHistories:
        """Histories of queries: hit rates that plans are valued with."""
        return self._bundle.history

    @property
    def chooser(self) -> PlanChooser:
        """The part that chooses plans, for batch use."""
        return self._bundle.chooser

    def key(self, query_text: str) -> str:
        """The query_key of a text, by the version that the bundle was learned with."""
        return self._bundle.key(query_text)

    def plan(
        self,
        query_text: str,
        looks: Sequence[Block],
        seed: str,
        fields: Fields | None = None,
        *,
        situation: Situation = UNKNOWN_SITUATION,
    ) -> PlanChoice:
        """Draw a plan.

        Args:
            query_text: Query as typed.
            looks: Blocks that `observe` asks for: the first block of each strategy (`first_look`),
                all, or none. Blocks of the memory cost no call: with any `observe`, memory blocks
                of any depth may be among them.
            seed: The impression_id. The same seed draws the same plan.
            fields: Fields of the entities in the looks, where the service knows them.
            situation: Time, surface and context of the search. Only policies with features of it
                use it.

        Raises:
            UsageError: a block is not of this policy, or one that it may not see before choosing;
                the time has no zone.
        """
        seen = situation.as_logged()
        seen.check_zone(seed)
        return self.draw(query_text, self.choose(query_text, looks, fields, situation=seen), seed)

    def choose(
        self,
        query_text: str,
        looks: Sequence[Block],
        fields: Fields | None = None,
        facts: CandidateFacts | None = None,
        *,
        situation: Situation = UNKNOWN_SITUATION,
    ) -> Choice:
        """A decision without its draw, for searches with the same query, looks and situation.

        A policy without features of the situation (`core.feature_groups.SITUATION_GROUPS`) gives
        the same result in every situation.

        Args:
            query_text: Query as typed.
            looks: As for `plan`.
            fields: As for `plan`.
            facts: Facts of the candidates, if they are known, as in a log. They replace `fields`
                and the memory's evidence.
            situation: Situation of the search, the same that `record` gets.
        """
        bundle = self._bundle
        key = bundle.key(query_text)
        check_looks(bundle.chooser, looks)
        known = facts_of(bundle, key, looks, fields or {}) if facts is None else facts
        history, draws = bundle.history.of(key), bundle.history.draws(key)
        return bundle.chooser.choose(key, looks, history, known, draws=draws, situation=situation)

    def draw(self, query_text: str, choice: Choice, seed: str) -> PlanChoice:
        """Draw a plan from the result of `choose` for this query."""
        return take_plan(self._bundles, query_text, choice, choice.distribution, unit_interval(seed, "plan"))

    def greedy(
        self,
        query_text: str,
        looks: Sequence[Block],
        fields: Fields | None = None,
        *,
        situation: Situation = UNKNOWN_SITUATION,
    ) -> PlanChoice:
        """The plan of the highest score, without exploration."""
        choice = self.choose(query_text, looks, fields, situation=situation)
        certain = (choice.distribution.shortlist == choice.greedy).astype(np.float64)
        best = replace(choice.distribution, probabilities=certain, floor=0.0)
        return take_plan(self._bundles, query_text, choice, best, 0.0)

    def distribution(
        self,
        query_text: str,
        looks: Sequence[Block],
        fields: Fields | None = None,
        *,
        situation: Situation = UNKNOWN_SITUATION,
    ) -> Distribution:
        """P(plan) for this query in this situation, from which `plan` draws."""
        return self.choose(query_text, looks, fields, situation=situation).distribution

    def values(self, query_text: str, looks: Sequence[Block], fields: Fields | None = None) -> Floats:
        """The planner's value of every plan, [P]."""
        return self.choose(query_text, looks, fields).values

    def recall(self, query_text: str, limit: int) -> list[tuple[str, float]]:
        """Results of the memory strategy: entities with scores, best first."""
        return self._bundle.memory.recall(self._bundle.key(query_text), limit)

    def evidence(self, query_text: str) -> dict[str, tuple[float, float]]:
        """Clicks and examinations of this query in the memory, by entity_id."""
        return self._bundle.memory.evidence(self._bundle.key(query_text))

    def rank(self, query_text: str, drawn: Sequence[Block], fields: Fields | None = None) -> Slate:
        """Order the union of the drawn blocks, which may be in any order.

        Args:
            query_text: Query as typed.
            drawn: Blocks of the plan as the strategies answered.
            fields: Fields of the entities, where the service knows them. Only a ranker with the
                group `overlaps` uses them.
        """
        return self.rank_many([(query_text, drawn)], fields)[0]

    def rank_many(
        self,
        pages: Sequence[tuple[str, Sequence[Block]]],
        fields: Fields | None = None,
        overlaps: Sequence[Overlaps] | None = None,
    ) -> list[Slate]:
        """Order many unions, each given as (query_text, drawn), with one prediction.

        Args:
            pages: The unions.
            fields: As for `rank`, of the entities of all pages.
            overlaps: Overlaps of each page, if they are known, as in a log. They replace `fields`.
        """
        bundle = self._bundle
        keyed = [(bundle.key(text), drawn) for text, drawn in pages]
        if overlaps is None and fields and bundle.ranker.uses_overlaps:
            overlaps = [overlaps_of(facts_of(bundle, key, drawn, fields)) for key, drawn in keyed]
        return bundle.ranker.rank_many(keyed, overlaps)

    def page(
        self, query_text: str, drawn: Sequence[Block], entity_ids: Sequence[str], fields: Fields | None = None
    ) -> Slate:
        """A page that the service ordered itself, with the ranker features of its entities.

        Args:
            query_text: Query as typed.
            drawn: Blocks that the page was made of, in any order.
            entity_ids: Entities in the order of the page. Features of an entity that no block
                lists are NaN.
            fields: As for `rank`.
        """
        ranked = self.rank(query_text, drawn, fields)
        rows = dict(zip(ranked.entity_ids, ranked.features, strict=True))
        missing = np.full(ranked.features.shape[1], np.nan)
        features = [rows.get(entity_id, missing) for entity_id in entity_ids]
        return Slate(tuple(entity_ids), np.array(features).reshape(len(entity_ids), len(missing)))

    def record(
        self,
        *,
        impression_id: str,
        query_text: str,
        user: str,
        session: str,
        looks: Sequence[Block],
        choice: PlanChoice,
        drawn: Sequence[Block],
        slate: Slate,
        fields: Fields | None = None,
        situation: Situation | None = None,
        served_by: str | None = None,
        off_path: Sequence[Block] = (),
    ) -> dict[str, Any]:
        """The decision record of one search; `artifacts.decision_record.record_line` writes it.

        Args:
            impression_id: Identifier of the search, the seed of `plan`.
            query_text: Query as typed.
            user: The service's id of the user, as in `for_user`; ingestion turns it into a key.
            session: The service's id of the session.
            looks: The looks of the call of `plan`.
            choice: Result of `plan`. The record names its version, even after a reload.
            drawn: Blocks of the plan as the strategies answered, timed-out blocks included. On a
                static page: the blocks that it was made of.
            slate: Page as shown.
            fields: Fields of the entities in `drawn`; those of the looks are in `choice`.
            situation: Time, surface and context; by default those of `plan`. The time is required.
            served_by: `fallback` if the page is not that of the sampled plan; `static` if it is the
                service's own, as it must be while the policy is in shadow mode. By default `static`
                in shadow mode and `policy` otherwise.
            off_path: Further blocks, fetched after the page was sent, to learn from. Blocks in
                `looks` or `drawn` are left out.

        Raises:
            UsageError: no time, another situation than in `plan`, a version of another user, or a
                page of a policy in shadow mode that is not static.
        """
        fetched = {(block.strategy, block.depth) for block in (*looks, *drawn)}
        others = [block for block in off_path if (block.strategy, block.depth) not in fetched]
        by = served_by or ("static" if choice.is_shadow else "policy")
        check_served_by(impression_id, choice, by)
        choice.version_draw.check(impression_id, user)
        served_in = (situation or choice.situation).as_logged()
        check_situation(impression_id, self._bundle.chooser.groups, choice.situation, served_in)
        return decision_record(
            version=choice.version,
            version_propensity=choice.version_draw.propensity,
            impression_id=impression_id,
            situation=served_in,
            query_text=query_text,
            user=user,
            session=session,
            served_by=by,
            looks=block_entries(looks, self.space.block_size, choice.facts),
            decisions=[choice.decision],
            draws=self._draw_entries(query_text, looks, drawn, fields or {}),
            slate=slate_entries(slate.entity_ids, slate.features),
            off_path=self._draw_entries(query_text, [*looks, *drawn], others, fields or {}),
        )

    def _draw_entries(
        self, query_text: str, before: Sequence[Block], drawn: Sequence[Block], fields: Fields
    ) -> list[dict[str, Any]]:
        """Entries of drawn blocks, without facts of entities in the blocks that come before."""
        seen = {entity_id for block in before for entity_id in block.entity_ids}
        deeper = [block for block in drawn if not seen.issuperset(block.entity_ids)]
        facts = facts_of(self._bundle, self._bundle.key(query_text), deeper, fields)
        return block_entries(drawn, self.space.block_size, facts, given=seen)
