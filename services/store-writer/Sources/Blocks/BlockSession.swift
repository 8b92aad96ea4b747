import MarketModel
import Primitives
import ServiceRuntime
import StoreHTTP
import StoreIntents
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// A worker's session with a store that has no transactions: a batch is declared in NATS, inserted
/// as blocks whose repeat the server recognises, and then the position moves (`IntentMachine`).
/// Each input of a partition has a record of its own, so a failure may leave some inputs of a batch
/// stored; the worker then reads the positions again.
final class BlockSession: StoreSession {
    /// What it works with.
    struct Parts {
        let settings: WriterSettings
        let owner: String
        let store: MarkOwner
        /// What the rows are for, as a text: a batch has equal blocks where it is equal.
        let layout: String
        /// Makes the rows of a batch.
        let rows: (WriteBatch) -> BlockRows
        let keeper: any IntentKeeper
        let packets: any DeclaredPackets
        let letters: LetterOutput
        let connect: () throws(StoreServerError) -> any BlockServer
        /// Tells what is missing of a declared batch: what is lost of one that is gone, or the gaps
        /// of one that is made again.
        let tellMissing: (SinkPlace, [SinkGap]) -> Void
        var now: () -> MonotonicTime = { SystemClock().monotonic() }
    }

    let parts: Parts
    /// What the rows are for: blocks of one batch are equal where it is equal.
    let layout: UInt64
    private var refusals: RefusalLimits
    private var server: (any BlockServer)?
    /// Which database it has.
    private var database = ""
    private var tenures: [SinkPlace: IntentTenure] = [:]
    /// The letters of batches that are not stored yet, by their records. They are not kept again,
    /// and they are counted when their batch is stored.
    private(set) var kept: [String: DeadLetter] = [:]

    /// By place, its declared batch that is gone from the tape.
    var goneBatches: [SinkPlace: GoneBatch] = [:]
    /// By place, what the server has answered to sends of its batch. It outlives a connection.
    private var sends: [SinkPlace: AnsweredSends] = [:]

    init(_ parts: Parts) {
        self.parts = parts
        refusals = RefusalLimits(deadLettersMax: parts.settings.deadLettersMax)
        layout = Self.layout(parts.layout, isNeeded: parts.settings.isNeeded)
    }

    var isOpen: Bool { server != nil }
    var serverText: String { server?.peer ?? "" }
    let isOnStandby = false

    func open() throws(StoreError) {
        if isOpen { return }
        do throws(StoreServerError) {
            let server = try parts.connect()
            if let problem = try server.problem() {
                throw StoreServerError("\(server.peer): \(problem)", .schema)
            }
            database = try server.identity()
            self.server = server
        } catch {
            throw error.asStoreError
        }
    }

    func close() {
        server = nil
        tenures = [:]
    }

    func checkAlive() {}

    // MARK: positions

    func claim(_ claims: [SinkClaim]) throws(StoreError) -> [SinkRow] {
        var rows: [SinkRow] = []
        for claim in claims { rows.append(try self.claim(claim)) }
        return rows
    }

    private func claim(_ claim: SinkClaim) throws(StoreError) -> SinkRow {
        tenures[claim.place] = nil
        let server = try opened()
        let found = try stored(claim.place)
        let present = found?.position
        tellLost(claim.place, present)
        if let before = found?.database, before != database {
            throw failure(
                claim.place,
                "is stored in another database than that of \(server.settingNames) "
                    + "at \(server.peer): bring it back, or give the new one a STORE_NAME of its "
                    + "own",
                .schema)
        }
        if let known = claim.knownEpoch, let present, present.ownerEpoch >= known,
            present.owner != parts.owner
        {
            return SinkRow(position: present, isClaimed: false)
        }
        let epoch = SinkPosition.nextOwnerEpoch(after: present?.ownerEpoch ?? 0, claim.epoch)
        guard UInt64(clamping: epoch) <= IntentRecord.numberMax else {
            throw failure(claim.place, "has an owner's epoch that no record may have", .schema)
        }
        let tenure = IntentTenure(
            IntentTenure.Frame(
                place: claim.place, epoch: UInt64(clamping: epoch), owner: parts.owner,
                store: parts.store, lettersMax: parts.settings.deadLettersMax,
                keeper: parts.keeper, server: server, database: database,
                sends: sends(of: claim.place), now: parts.now),
            instance: UInt64.random(in: .min ... .max))
        return try open(tenure, claim.place, server.peer)
    }

    /// Begins a tenure with the batch that an earlier owner has declared.
    private func open(
        _ tenure: IntentTenure, _ place: SinkPlace, _ peer: String
    ) throws(StoreError) -> SinkRow {
        var work: BlockWork?
        var missing: [SinkGap] = []
        var waits: ClaimWait?
        do throws(StoreError) {
            try tenure.open(
                remake: { intent, before throws(StoreError) in
                    switch try self.remade(intent, before, owed: tenure.owed) {
                    case .batch(let batch, let made):
                        work = made
                        missing = batch.after.gaps
                        return .batch(batch)
                    case .unmakeable(let reason): return .unmakeable(reason)
                    case .gone(let given):
                        missing = given.lost
                        return .gone(given.after, given.owed)
                    case .waits(let wait):
                        waits = wait
                        throw self.failure(place, wait.reason, .retryable)
                    }
                },
                refuse: { refused throws(StoreError) in
                    guard let made = work else { preconditionFailure("nothing was made again") }
                    made.refuse(refused)
                    try self.requireFew(made, peer)
                    try self.keepLetters(of: made)
                    return try made.position(InputNumber.of(place))
                })
        } catch {
            // Others are not kept waiting.
            guard let waits else { throw error }
            return SinkRow(position: tenure.position, isClaimed: true, waits: waits)
        }
        if let work { finish(work) }
        if !missing.isEmpty { parts.tellMissing(place, missing) }
        forgetLetters(through: tenure.position)
        goneBatches[place] = nil
        tenures[place] = tenure
        return SinkRow(position: tenure.position, isClaimed: true)
    }

    private func sends(of place: SinkPlace) -> AnsweredSends {
        if let known = sends[place] { return known }
        let new = AnsweredSends()
        sends[place] = new
        return new
    }

    func read(_ places: [SinkPlace]) throws(StoreError) -> [SinkRow] {
        var rows: [SinkRow] = []
        for place in places {
            guard let kept = try stored(place) else {
                throw failure(place, "has lost its record in NATS: restore it", .schema)
            }
            if let tenure = tenures[place], kept.revision != tenure.revision,
                kept.position.ownerEpoch <= tenure.position.ownerEpoch
            {
                throw failure(
                    place, "is not as this writer has set it, so it is claimed again", .retryable)
            }
            rows.append(SinkRow(position: kept.position, isClaimed: true))
        }
        return rows
    }

    private func stored(
        _ place: SinkPlace
    ) throws(StoreError) -> (position: SinkPosition, revision: UInt64, database: String)? {
        let (value, revision) = try parts.keeper.read(place)
        guard let value else { return nil }
        do throws(VersionedJSON.Refusal) {
            let kept = try KeptIntent(json: value, of: place, store: parts.store)
            return (kept.position, revision, kept.database)
        } catch {
            throw failure(place, "has a record that cannot be used: \(error)", .schema)
        }
    }

    // MARK: batches

    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        let rows = parts.rows(batch)
        return try withoutActuallyEscaping(settle) { settle throws(StoreError) in
            let work = BlockWork(batch, rows, settle)
            return try write(work)
        }
    }

    private func write(_ work: BlockWork) throws(StoreError) -> BatchOutcome {
        let peer = try opened().peer
        try requireFew(work, peer)
        let places = work.positions.map(\.place)
        for position in work.positions { try check(position) }
        try keepLetters(of: work)
        var isAnyStored = false
        for place in places {
            guard let tenure = tenures[place] else { throw unclaimed(place) }
            let input = InputNumber.of(place)
            let after = try work.position(input)
            let batch = IntentBatch(
                try work.rows.blocks(input, after, owed: tenure.owed), from: tenure.position,
                to: after, layout: layout)
            do throws(StoreError) {
                try tenure.store(batch) { refused throws(StoreError) in
                    work.refuse(refused)
                    try self.requireFew(work, peer)
                    try self.keepLetters(of: work)
                    return try work.position(input)
                }
            } catch {
                // The worker keeps a batch after a fence, and would write it again.
                guard isAnyStored, error.category == .fenced else { throw error }
                throw failure(place, "has another owner, and others are stored", .retryable)
            }
            isAnyStored = true
        }
        let outcome = work.counted
        refusals = try refusals.after(outcome, peer)
        finish(work)
        return outcome.outcome
    }

    /// Throws before letters are kept of more rows than may be refused, here and in a row.
    private func requireFew(_ work: BlockWork, _ peer: String) throws(StoreError) {
        try refusals.check(work.counted, peer)
        _ = try refusals.after(work.counted, peer)
    }

    /// Refuses a position that is not this session's, or would go back.
    private func check(_ position: SinkPosition) throws(StoreError) {
        guard let tenure = tenures[position.place],
            tenure.position.ownerEpoch == position.ownerEpoch
        else { throw unclaimed(position.place) }
        if let old = tenure.position.position, let new = position.position,
            old.streamCreated == new.streamCreated, new.sequence <= old.sequence
        {
            throw failure(
                position.place, "is at \(old.sequence) and would go to \(new.sequence)", .retryable)
        }
    }

    /// Keeps the letters of refused records, but for those that an earlier try has kept.
    func keepLetters(of work: BlockWork) throws(StoreError) {
        let refused = work.counted.refused.filter { kept[work.letterKey($0)] == nil }
        guard !refused.isEmpty else { return }
        for (tick, letter) in zip(refused, try parts.letters.keep(refused, work.batch)) {
            kept[work.letterKey(tick)] = letter
        }
    }

    /// Tells of the letters of a batch that is stored.
    private func finish(_ work: BlockWork) {
        let letters = work.counted.refused.compactMap {
            kept.removeValue(forKey: work.letterKey($0))
        }
        if !letters.isEmpty { parts.letters.committed(letters) }
    }

    /// Forgets the letters of batches that another owner stored, or that were given up: those name
    /// their records as lost.
    private func forgetLetters(through position: SinkPosition) {
        guard !kept.isEmpty else { return }
        kept = kept.filter { _, letter in
            letter.place.input != position.input.rawValue
                || letter.place.partition != position.partition
                || letter.place.ordinal > position.account(letter.place.source)?.lastOrdinal ?? 0
        }
    }

    func opened() throws(StoreError) -> any BlockServer {
        try open()
        guard let server else { preconditionFailure("it is open") }
        return server
    }

    private func unclaimed(_ place: SinkPlace) -> StoreError {
        failure(place, "is not claimed by this session", .retryable)
    }

    func failure(
        _ place: SinkPlace, _ reason: String, _ category: StoreError.Category
    ) -> StoreError {
        .failed(
            StoreError.Failure(
                category: category,
                cause: IntentFailure(
                    description: "\(InputNumber.name(InputNumber.of(place))) \(reason)")))
    }

    // MARK: days

    func missingDays(of batch: WriteBatch) -> [TableDay] { [] }
    func makeDays(_ days: ArraySlice<TableDay>) {}
    func inputs(of batch: WriteBatch, on days: Set<TableDay>) -> Set<Int> { [] }
}

/// A batch with its rows, while it is stored.
final class BlockWork {
    let batch: WriteBatch
    private(set) var rows: BlockRows
    private let settle: (BatchOutcome) -> [SinkPosition]
    /// The counts, and the positions after the batch in the order of their places.
    private(set) var counted: BatchWork
    private(set) var positions: [SinkPosition] = []

    init(
        _ batch: WriteBatch, _ rows: BlockRows, _ settle: @escaping (BatchOutcome) -> [SinkPosition]
    ) {
        self.batch = batch
        self.rows = rows
        self.settle = settle
        counted = rows.counted(batch)
        positions = settle(counted.outcome).sorted { $0.place < $1.place }
    }

    /// Takes rows out, which the store refuses.
    func refuse(_ ticks: [RefusedTick]) {
        rows.refuse(ticks)
        counted = rows.counted(batch)
        positions = settle(counted.outcome).sorted { $0.place < $1.place }
    }

    func position(_ input: Int) throws(StoreError) -> SinkPosition {
        let place = InputNumber.place(input)
        guard let position = positions.first(where: { $0.place == place }) else {
            throw .failed(
                StoreError.Failure(
                    category: .retryable,
                    cause: IntentFailure(
                        description: "the tape has nothing new for \(InputNumber.name(input)), "
                            + "and a batch of it was declared")))
        }
        return position
    }

    /// What tells a refused record apart.
    func letterKey(_ tick: RefusedTick) -> String {
        let header = batch.items[tick.item].header
        return "\(batch.items[tick.item].input)/\(header.source)/\(tick.ordinal)"
    }
}
