import Membership
import Primitives
import ServiceRuntime
import StoreKit
import StoreSinks
import TapeCodec
import TapeTransport

/// A worker's session with a user's store. Its marks are the positions: each transaction compares
/// them before it sets them, so that the store itself need not know owners.
final class OwnSession: StoreSession {
    private let store: OwnStore
    private let owner: String
    private let beat: ThreadBeat
    private var refusals: RefusalLimits
    private var connection: (any RowStore)?

    init(_ store: OwnStore, owner: String, beat: ThreadBeat) {
        self.store = store
        self.owner = owner
        self.beat = beat
        refusals = RefusalLimits(deadLettersMax: store.writer.deadLettersMax)
    }

    /// The store's name, which is in each mark.
    private var name: String { store.writer.store.text }
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

    func close() { connection = nil }

    func checkAlive() {}

    // MARK: positions

    func claim(_ claims: [SinkClaim]) throws(StoreError) -> [SinkRow] {
        var rows: [SinkRow] = []
        try transact([], claims.map(\.place)) { present in
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
                position.ownerEpoch = max(
                    position.ownerEpoch + 1, Int64(clamping: claim.epoch))
                position.owner = owner
                return SinkRow(position: position, isClaimed: true)
            }
            return rows.filter(\.isClaimed).map(\.position)
        }
        return rows
    }

    func read(_ places: [SinkPlace]) throws(StoreError) -> [SinkRow] {
        var rows: [SinkRow] = []
        try transact([], places) { present throws(StoreError) in
            rows = []
            for place in places {
                guard let position = present[place] else {
                    throw OwnStoreError(
                        description: "\(peer) has lost the mark \(place.mark): restore it",
                        fault: .schema
                    ).asStoreError
                }
                rows.append(SinkRow(position: position, isClaimed: true))
            }
            return []
        }
        return rows
    }

    /// Refuses positions that another owner has, that are not claimed, or that would go back.
    private func check(
        _ positions: [SinkPosition], _ present: [SinkPlace: SinkPosition]
    ) throws(StoreError) {
        func refused(_ position: SinkPosition, _ reason: String) -> StoreError.Failure {
            StoreError.Failure(
                category: .retryable,
                cause: OwnStoreError(
                    description: "the mark \(position.place.mark) of \(peer) \(reason)",
                    fault: .away))
        }
        for position in positions {
            let stored = present[position.place]
            let epoch = stored?.ownerEpoch ?? 0
            if epoch > position.ownerEpoch {
                let failure = refused(position, "has the higher owner epoch \(epoch)")
                throw .failed(StoreError.Failure(category: .fenced, cause: failure.cause))
            }
            if epoch < position.ownerEpoch {
                throw .failed(refused(position, "was not claimed at \(position.ownerEpoch)"))
            }
            if let old = stored?.position, let new = position.position,
                old.streamCreated == new.streamCreated, new.sequence < old.sequence
            {
                throw .failed(refused(position, "would go back to \(new.sequence)"))
            }
        }
    }

    // MARK: batches

    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        var rows = OwnRows(batch, catalogue, store.writers)
        do throws(StoreError) {
            return try attempt(batch, rows, settle)
        } catch {
            guard error.ofOwnStore?.fault == .rows else { throw error }
        }
        try salvage(&rows)
        do throws(StoreError) {
            return try attempt(batch, rows, settle)
        } catch {
            guard error.ofOwnStore?.fault == .rows else { throw error }
            throw withheld(
                .mendTable,
                "it refuses a batch and none of its rows alone, so nothing is set aside: \(error)")
        }
    }

    private func attempt(
        _ batch: WriteBatch, _ rows: OwnRows, _ settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        let work = rows.counted(batch)
        try refusals.check(work, peer)
        let refusalsAfter = try refusals.after(work, peer)
        // Stored before the rows: every record that is counted as dead-lettered has its letter.
        let made = work.refused.map { store.letters.letter($0, of: batch, catalogue) }
        if !made.isEmpty {
            beat.beat(before: ThreadWatch.systemTime)
            try store.letters.keep(made, peer)
        }
        let positions = settle(work.outcome)
        let gaps = SinkGap.table(of: positions)
        try transact(
            rows.tables.filter { $0.rowCount > 0 } + (gaps.rowCount > 0 ? [gaps] : []),
            positions.map(\.place)
        ) { present throws(StoreError) in
            try check(positions, present)
            return positions.map { position in
                var position = position
                position.owner = owner
                return position
            }
        }
        if !made.isEmpty { store.letters.committed(made) }
        refusals = refusalsAfter
        return work.outcome
    }

    /// Finds the rows that the store refuses, and takes them out of `rows`.
    private func salvage(_ rows: inout OwnRows) throws(StoreError) {
        var count = 0
        for index in rows.parts.indices {
            var search = Bisection(count: rows.parts[index].table.rowCount)
            var refused: [(row: Int, reason: String)] = []
            while let range = search.next {
                guard let refusal = try refusal(of: rows.parts[index].table.rows(range)) else {
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

    /// Returns why the store refuses one of these rows; `nil` when it takes them. They are added in
    /// a transaction that ends without effect.
    private func refusal(of table: StoreTable) throws(StoreError) -> OwnStoreError? {
        let probe = OwnStoreError(description: "a trial ends", fault: .away).asStoreError
        var isTaken = false
        do throws(StoreError) {
            try transact([table], []) { _ throws(StoreError) in
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

    /// Runs a transaction. `settle` gets the positions that are there, and returns those to set.
    private func transact(
        _ tables: [StoreTable], _ places: [SinkPlace],
        _ settle: ([SinkPlace: SinkPosition]) throws(StoreError) -> [SinkPosition]
    ) throws(StoreError) {
        guard let connection else {
            throw OwnStoreError(description: "\(peer) is not connected", fault: .away)
                .asStoreError
        }
        beat.beat(before: ThreadWatch.systemTime)
        defer { beat.beat() }
        // What ended the transaction from inside.
        var refusal: StoreError?
        var isSettled = false
        do {
            try connection.transact(tables, marks: places.map(\.mark)) { marks in
                do throws(StoreError) {
                    let settled = try settle(try positions(marks, places))
                    isSettled = true
                    return Dictionary(
                        settled.map { ($0.place.mark, $0.mark(of: name)) }
                    ) { $1 }
                } catch {
                    refusal = error
                    throw error
                }
            }
        } catch {
            if let refusal { throw refusal }
            throw failed(error, connection.fault(of: error))
        }
        guard isSettled, refusal == nil else {
            throw OwnStoreError(
                description: "\(peer) does not keep its promise: a transaction went on after an "
                    + "error of 'settle', or without it",
                fault: .fatal
            ).asStoreError
        }
    }

    private func positions(
        _ marks: [String: String], _ places: [SinkPlace]
    ) throws(StoreError) -> [SinkPlace: SinkPosition] {
        var positions: [SinkPlace: SinkPosition] = [:]
        for place in places {
            guard let mark = marks[place.mark] else { continue }
            do throws(OwnStoreError) {
                positions[place] = try SinkPosition(mark: mark, of: place, store: name)
            } catch {
                throw error.asStoreError
            }
        }
        return positions
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
