import Membership
import Primitives
import ServiceRuntime
import StoreKit
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// A worker's session with a user's store. Its marks are the positions: each transaction compares
/// them, text by text, with those that the session has set. So the store need not know owners, and
/// a store that went back, by a restore under a living connection, is noticed.
final class OwnSession: StoreSession {
    private let store: OwnStore
    private let owner: String
    private let beat: ThreadBeat
    private var refusals: RefusalLimits
    private var connection: (any RowStore)?
    /// The marks of claimed places as this session has last set them.
    private var known: [SinkPlace: String] = [:]
    /// The letters of the last try, if its batch is not committed: they are not stored again.
    private var kept: Set<String> = []
    /// How many writes in a row failed with `.away`.
    private var awayInARow = 0

    init(_ store: OwnStore, owner: String, beat: ThreadBeat) {
        self.store = store
        self.owner = owner
        self.beat = beat
        refusals = RefusalLimits(deadLettersMax: store.writer.deadLettersMax)
    }

    /// What is in each mark.
    private var markOwner: MarkOwner {
        MarkOwner(
            namespace: store.letters.names.namespace, name: store.writer.store.text)
    }
    private var catalogue: SinkCatalogue { store.writer.sinks }
    private var peer: String { "the store \(store.kind.name)" }

    var isOpen: Bool { connection != nil }
    var serverText: String { store.kind.name }
    let isOnStandby = false

    func open() throws(StoreError) {
        if isOpen { return }
        beat.beat(before: ThreadWatch.systemTime)
        defer { beat.beat() }
        do {
            connection = try store.kind.connect(store.configuration)
        } catch {
            throw failed(error, .away)
        }
    }

    func close() {
        connection = nil
        known = [:]
    }

    func checkAlive() {}

    // MARK: positions

    func claim(_ claims: [SinkClaim]) throws(StoreError) -> [SinkRow] {
        var rows: [SinkRow] = []
        let set = try transact([], claims.map(\.place)) { present, _ in
            rows = claims.map { claim in
                var position =
                    present[claim.place]
                    ?? SinkPosition(
                        input: claim.place.input, partition: claim.place.partition, ownerEpoch: 0)
                if let known = claim.knownEpoch, position.ownerEpoch >= known,
                    position.owner != owner
                {
                    return SinkRow(position: position, isClaimed: false)
                }
                position.ownerEpoch = SinkPosition.nextOwnerEpoch(
                    after: position.ownerEpoch, claim.epoch)
                position.owner = owner
                return SinkRow(position: position, isClaimed: true)
            }
            return rows.filter(\.isClaimed).map(\.position)
        }
        for claim in claims { known[claim.place] = set[claim.place] }
        return rows
    }

    func read(_ places: [SinkPlace]) throws(StoreError) -> [SinkRow] {
        var rows: [SinkRow] = []
        try transact([], places) { present, marks throws(StoreError) in
            rows = []
            for place in places {
                guard let position = present[place] else {
                    throw OwnStoreError(
                        description: "\(peer) has lost the mark \(place.mark): restore it",
                        fault: .schema
                    ).asStoreError
                }
                try checkText(place, position, marks)
                rows.append(SinkRow(position: position, isClaimed: true))
            }
            return []
        }
        return rows
    }

    /// Refuses positions that another owner has, that are not claimed, or that would go back.
    private func check(
        _ positions: [SinkPosition], _ present: [SinkPlace: SinkPosition],
        _ marks: [String: String]
    ) throws(StoreError) {
        for position in positions {
            let stored = present[position.place]
            let epoch = stored?.ownerEpoch ?? 0
            if epoch > position.ownerEpoch {
                let error = refused(position.place, "has the higher owner epoch \(epoch)")
                throw .failed(StoreError.Failure(category: .fenced, cause: error))
            }
            guard let stored, known[position.place] != nil, epoch == position.ownerEpoch else {
                throw refused(position.place, "was not claimed at \(position.ownerEpoch)")
                    .asStoreError
            }
            try checkText(position.place, stored, marks)
            if let old = stored.position, let new = position.position,
                old.streamCreated == new.streamCreated, new.sequence < old.sequence
            {
                throw refused(position.place, "would go back to \(new.sequence)").asStoreError
            }
        }
    }

    /// Refuses a mark that is not as this session has set it, if no later owner has set it.
    private func checkText(
        _ place: SinkPlace, _ stored: SinkPosition, _ marks: [String: String]
    ) throws(StoreError) {
        guard let text = known[place], marks[place.mark] != text else { return }
        let mine = try position(text, place)
        guard stored.ownerEpoch <= mine.ownerEpoch else { return }
        throw refused(
            place,
            "is not as this writer has set it: the store went back or was changed, so it is "
                + "claimed and read again"
        ).asStoreError
    }

    private func refused(_ place: SinkPlace, _ reason: String) -> OwnStoreError {
        OwnStoreError(
            description: "the mark \(place.mark) of \(peer) \(reason)", fault: .away)
    }

    // MARK: batches

    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        do throws(StoreError) {
            let outcome = try divided(batch, settle)
            awayInARow = 0
            return outcome
        } catch {
            guard var cause = error.ofOwnStore, cause.fault == .away, error.category == .retryable
            else { throw error }
            // A store may take a batch that is too large for one that is away.
            awayInARow += 1
            cause.isTooMuchAtOnce = cause.isTooMuchAtOnce || awayInARow > 1
            throw cause.asStoreError
        }
    }

    /// Writes a batch; rows that are refused are looked for at most twice: each alone, and with the
    /// rows before it.
    private func divided(
        _ batch: WriteBatch, _ settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        var rows = OwnRows(batch, catalogue, store.writers)
        var refusal: StoreError
        var isLate = false
        do throws(StoreError) {
            return try attempt(batch, rows, settle, &isLate)
        } catch {
            guard error.ofOwnStore?.fault == .rows else { throw error }
            refusal = error
        }
        for isTogether in [false, true] where !isLate {
            try salvage(&rows, together: isTogether, batch)
            do throws(StoreError) {
                return try attempt(batch, rows, settle, &isLate)
            } catch {
                guard error.ofOwnStore?.fault == .rows else { throw error }
                refusal = error
            }
        }
        let gaps = SinkGap.table(of: settle(rows.counted(batch).outcome))
        if !isLate, gaps.rowCount > 0, let found = try self.refusal(of: [gaps], batch) {
            throw withheld(.mendTable, "it refuses rows of \(gaps.name), mend that: \(found)")
        }
        if batch.items.count > 1 {
            throw OwnStoreError(
                description: "\(peer) refuses a batch and none of its rows alone, so a smaller one "
                    + "is tried: \(refusal)",
                fault: .tooLarge
            ).asStoreError
        }
        if let only = rows.only {
            rows.refuse([(row: 0, reason: "\(refusal)")], of: only)
            return try attempt(batch, rows, settle, &isLate)
        }
        throw withheld(
            .mendTable,
            "it refuses a packet and none of its rows alone"
                + (isLate ? ", at its commit (it should before it calls 'settle')" : "")
                + ", so nothing is set aside: \(refusal)")
    }

    /// `isLate` becomes whether the store has added all rows when it refuses some.
    private func attempt(
        _ batch: WriteBatch, _ rows: OwnRows, _ settle: (BatchOutcome) -> [SinkPosition],
        _ isLate: inout Bool
    ) throws(StoreError) -> BatchOutcome {
        let work = rows.counted(batch)
        try refusals.check(work, peer)
        let refusalsAfter = try refusals.after(work, peer)
        let made = work.refused.map { store.letters.letter($0, of: batch, catalogue) }
        let positions = settle(work.outcome)
        let gaps = SinkGap.table(of: positions)
        isLate = false
        let set = try transact(
            rows.tables + (gaps.rowCount > 0 ? [gaps] : []), positions.map(\.place), letters: made
        ) { present, marks throws(StoreError) in
            try check(positions, present, marks)
            // The rows are taken. Letters are stored before the commit: every record that is
            // counted as dead-lettered has its letter.
            try keep(made)
            isLate = true
            return positions.map { position in
                var position = position
                position.owner = owner
                return position
            }
        }
        known.merge(set) { $1 }
        kept = []
        if !made.isEmpty { store.letters.committed(made) }
        refusals = refusalsAfter
        return work.outcome
    }

    /// Stores letters, without those that the last try of their batch has stored.
    private func keep(_ made: [DeadLetter]) throws(StoreError) {
        let new = made.filter { !kept.contains($0.messageID) }
        if !new.isEmpty {
            beat.beat(before: ThreadWatch.systemTime)
            try store.letters.keep(new, peer)
        }
        kept = Set(made.map(\.messageID))
    }

    /// Finds the rows that the store refuses, and takes them out of `rows`.
    private func salvage(
        _ rows: inout OwnRows, together: Bool, _ batch: WriteBatch
    ) throws(StoreError) {
        var count = 0
        for index in rows.parts.indices {
            var search = Bisection(count: rows.parts[index].table.rowCount)
            var refused: [(row: Int, reason: String)] = []
            while let range = search.next {
                let tables = rows.tables(range, of: index, without: refused.map(\.row), together)
                guard let refusal = try refusal(of: tables, batch) else {
                    search.good()
                    continue
                }
                search.bad()
                guard search.found.count > refused.count else { continue }
                count += 1
                guard count <= store.writer.deadLettersMax else {
                    throw withheld(
                        .mendTable,
                        "more than \(store.writer.deadLettersMax) rows of one batch are refused, "
                            + "so nothing is set aside: mend the table, or raise "
                            + "WRITER_DEAD_LETTERS_MAX; the last refusal: \(refusal)")
                }
                refused.append((range.lowerBound, refusal.description))
            }
            rows.refuse(refused, of: index)
        }
    }

    /// Returns why the store refuses some of these rows; `nil` when it takes them. They are added
    /// in a transaction that ends without effect.
    private func refusal(
        of tables: [StoreTable], _ batch: WriteBatch
    ) throws(StoreError) -> OwnStoreError? {
        let probe = OwnStoreError(description: "a trial ends", fault: .away).asStoreError
        var isTaken = false
        do throws(StoreError) {
            try transact(tables, batch.inputs.sorted().map { InputNumber.place($0) }) {
                _, _ throws(StoreError) in
                isTaken = true
                throw probe
            }
        } catch {
            if isTaken { return nil }
            guard let refusal = error.ofOwnStore, refusal.fault == .rows else { throw error }
            return refusal
        }
        return nil
    }

    // MARK: the store

    /// Runs a transaction, on a new connection after one that failed. `settle` gets the positions
    /// that are there, with the texts of their marks, and returns those to set. Returns the texts
    /// that were set. `letters` are those of records that it sets aside.
    @discardableResult
    private func transact(
        _ tables: [StoreTable], _ places: [SinkPlace], letters: [DeadLetter] = [],
        _ settle: ([SinkPlace: SinkPosition], [String: String]) throws(StoreError) -> [SinkPosition]
    ) throws(StoreError) -> [SinkPlace: String] {
        try open()
        guard let connection else {
            throw OwnStoreError(description: "\(peer) is not connected", fault: .away)
                .asStoreError
        }
        beat.beat(before: ThreadWatch.systemTime)
        defer { beat.beat() }
        // What ended the transaction from inside.
        var refusal: StoreError?
        var set: [SinkPlace: String]?
        do {
            let letters = letters.filter { !$0.sink.isEmpty }.map(\.mark)
            try connection.transact(tables, marks: places.map(\.mark) + letters) { marks in
                do throws(StoreError) {
                    let settled = try settle(try positions(marks, places), marks)
                    let texts = Dictionary(
                        settled.map { ($0.place, $0.mark(of: markOwner)) }
                    ) { $1 }
                    set = texts
                    return Dictionary(
                        texts.map { ($0.key.mark, $0.value) }
                            + letters.map { ($0, DeadLetter.openMark) }
                    ) { $1 }
                } catch {
                    refusal = error
                    throw error
                }
            }
        } catch {
            if let refusal { throw refusal }
            // A connection that failed is not used again.
            self.connection = nil
            throw failed(error, connection.fault(of: error))
        }
        guard let set, refusal == nil else {
            throw OwnStoreError(
                description: "\(peer) does not keep its promise: a transaction went on after an "
                    + "error of 'settle', or without it",
                fault: .fatal
            ).asStoreError
        }
        return set
    }

    private func positions(
        _ marks: [String: String], _ places: [SinkPlace]
    ) throws(StoreError) -> [SinkPlace: SinkPosition] {
        var positions: [SinkPlace: SinkPosition] = [:]
        for place in places {
            guard let mark = marks[place.mark] else { continue }
            positions[place] = try position(mark, place)
        }
        return positions
    }

    private func position(
        _ mark: String, _ place: SinkPlace
    ) throws(StoreError) -> SinkPosition {
        do throws(OwnStoreError) {
            return try SinkPosition(mark: mark, of: place, store: markOwner)
        } catch {
            throw error.asStoreError
        }
    }

    private func failed(_ error: any Error, _ fault: StoreFault) -> StoreError {
        OwnStoreError(description: "\(peer): \(oneLine("\(error)"))", fault: fault).asStoreError
    }

    private func withheld(_ remedy: StoreError.Remedy, _ reason: String) -> StoreError {
        .withheld(
            StoreError.Withheld(
                operation: "write rows", peer: peer, remedy: remedy, reason: reason))
    }

    // MARK: days

    func missingDays(of batch: WriteBatch) -> [TableDay] { [] }
    func makeDays(_ days: ArraySlice<TableDay>) {}
    func inputs(of batch: WriteBatch, on days: Set<TableDay>) -> Set<Int> { [] }
}
