import MarketModel
import Primitives
import StoreHTTP
import StoreIntents
import StoreSinks
import TapeCodec

/// A batch for one place, as it is declared and inserted.
struct IntentBatch {
    let intent: StoreIntent
    let parts: [BlockRows.Part]
    /// The position after it.
    var after: SinkPosition

    /// `before` is the position at which it begins, `layout` that of its tables.
    init(
        _ parts: [BlockRows.Part], from before: SinkPosition, to after: SinkPosition, layout: UInt64
    ) {
        self.parts = parts
        self.after = after
        let position = after.position
        intent = StoreIntent(
            packet: TapePacket(
                streamCreated: position?.streamCreated ?? .undefined,
                sequence: position?.sequence ?? 0,
                identity: position?.packet
                    ?? PacketIdentity(epoch: 0, firstOrdinal: 0, checksum: 0)),
            ranges: Self.ranges(from: before, to: after),
            rows: parts.reduce(0) { $0 + UInt64($1.block.rowCount) },
            digest: parts.reduce(0) { $1.block.digest(after: $0) }, layout: layout)
    }

    /// The ordinals of each source that are counted after the batch and not before.
    private static func ranges(
        from before: SinkPosition, to after: SinkPosition
    ) -> [OrdinalRange] {
        after.sources.compactMap { account in
            let known = before.account(account.source)?.lastOrdinal
            let first = known.map { $0 &+ 1 } ?? max(1, account.firstOrdinal)
            guard first <= account.lastOrdinal else { return nil }
            return OrdinalRange(
                source: account.source, epoch: account.epoch, first: first,
                last: account.lastOrdinal)
        }.sorted { $0.source < $1.source }
    }
}

/// One tenure of one place: it carries out what `IntentMachine` orders, call by call. A call that
/// fails ends it: the worker then claims again.
final class IntentTenure {
    /// Returns the position after the batch without these rows, which the server refuses, after
    /// their letters are kept.
    typealias Refuse = ([RefusedTick]) throws(StoreError) -> SinkPosition
    /// Makes a declared batch again, which begins after the position.
    typealias Remake = (StoreIntent, SinkPosition) throws(StoreError) -> Remade

    enum Remade {
        case batch(IntentBatch)
        /// Why a person is needed.
        case unmakeable(String)
        /// Its packets are gone: the position after it, and what the next batch names.
        case gone(SinkPosition, [SinkGap])
    }

    /// What does not change.
    struct Frame {
        let place: SinkPlace
        let epoch: UInt64
        let owner: String
        let store: MarkOwner
        let lettersMax: Int
        let keeper: any IntentKeeper
        let server: any BlockServer
        /// Which database it has.
        let database: String
        /// What it has answered to sends of the place's batch.
        let sends: AnsweredSends
        /// The monotonic time.
        let now: () -> MonotonicTime
    }

    private let frame: Frame
    private var machine: IntentMachine
    /// The position as the record has it.
    private(set) var position: SinkPosition
    /// The record with that position.
    private var record: IntentRecord?
    /// The number of this owner's last write.
    private(set) var revision: UInt64 = 0
    /// What the next batch names: ordinals of declared batches that are gone.
    private(set) var owed: [SinkGap] = []
    /// The batch that is declared, inserted and passed.
    private var batch: IntentBatch?
    /// The position after a declared batch that is gone, and what is owed there.
    private var gone: (after: SinkPosition, owed: [SinkGap])?
    private var outcome: IntentOutcome?

    init(_ frame: Frame, instance: UInt64) {
        self.frame = frame
        position = SinkPosition(
            input: frame.place.input, partition: frame.place.partition, ownerEpoch: 0)
        machine = IntentMachine(
            name: "\(frame.store.namespace)/\(frame.store.name)/\(frame.place.mark)",
            rule: frame.server is any TokenServer ? .byToken : .byKey, epoch: frame.epoch,
            instance: instance)
    }

    /// Claims the record, and stores what an earlier owner has declared.
    func open(remake: Remake, refuse: Refuse) throws(StoreError) {
        try drive(.open, remake, refuse)
    }

    /// Stores a batch. The position is then the one after it.
    func store(_ batch: IntentBatch, refuse: Refuse) throws(StoreError) {
        guard case .standing = machine.state, machine.canTake, outcome == nil else {
            throw failure("has an unfinished batch, so it is claimed again", .retryable)
        }
        guard batch.intent.follows(record?.reach) else {
            throw failure("has ordinals of the batch already", .retryable)
        }
        self.batch = batch
        try drive(
            .offered(batch.intent), { _, _ throws(StoreError) in .batch(batch) }, refuse)
    }

    private func drive(
        _ event: IntentMachine.Event, _ remake: Remake, _ refuse: Refuse
    ) throws(StoreError) {
        var events = [event]
        while !events.isEmpty {
            var effects: [IntentMachine.Effect] = []
            machine.handle(events.removeFirst(), now: frame.now(), into: &effects)
            for effect in effects {
                switch effect {
                case .order(let order, let attempt):
                    let answer = try carryOut(order, remake, refuse)
                    events.append(.answered(attempt: attempt, answer))
                case .begin, .stored: break
                case .ended(let outcome): self.outcome = outcome
                }
            }
        }
        if let outcome { throw error(of: outcome) }
        if case .standing = machine.state { return }
        throw failure("is written by another owner at the same time", .retryable)
    }

    private func carryOut(
        _ order: IntentMachine.Order, _ remake: Remake, _ refuse: Refuse
    ) throws(StoreError) -> IntentMachine.Answer {
        switch order {
        case .read: return try read()
        case .write(let record, let expected): return try write(record, after: expected)
        case .survey:
            guard let server = frame.server as? any TokenServer else {
                preconditionFailure("a server without tokens is surveyed")
            }
            return .surveyed(
                try asked { () throws(StoreServerError) in
                    try server.beyond(record?.reach?.sources ?? [], of: frame.place)
                })
        case .remake(let declared, _):
            switch try remake(declared, position) {
            case .batch(let made):
                batch = made
                return .remade(made.intent)
            case .unmakeable(let reason): return .unmakeable(reason)
            case .gone(let after, let owed):
                gone = (after, owed)
                return .gone
            }
        case .insert(_, let insert):
            guard let batch else { preconditionFailure("nothing is declared") }
            return try self.insert(batch, insert, refuse)
        }
    }

    // MARK: the record

    private func read() throws(StoreError) -> IntentMachine.Answer {
        let (value, revision) = try frame.keeper.read(frame.place)
        guard let value else { return .read(nil, revision: revision) }
        do throws(VersionedJSON.Refusal) {
            let kept = try KeptIntent(json: value, of: frame.place, store: frame.store)
            // A record that is not this owner's is taken as it is.
            if self.revision == 0 {
                (position, record, owed) = (kept.position, kept.record, kept.owed)
            }
            return .read(kept.record, revision: revision)
        } catch {
            return .refused(error)
        }
    }

    private func write(
        _ next: IntentRecord, after expected: UInt64
    ) throws(StoreError) -> IntentMachine.Answer {
        var (position, owed) = (position, owed)
        if next.position != record?.position {
            position = gone?.after ?? batch?.after ?? position
            owed = gone?.owed ?? []
        }
        position.owner = frame.owner
        position.ownerEpoch = Int64(clamping: next.epoch)
        let value = KeptIntent(next, position, database: frame.database, owed: owed)
            .json(of: frame.store)
        guard value.count <= KeptIntent.bytesMax else {
            throw failure(
                "has a record of \(value.count) bytes, and NATS takes \(KeptIntent.bytesMax): too "
                    + "many ordinals are lost that have no name yet, so begin with a new database "
                    + "and STORE_NAME",
                .schema)
        }
        guard let stored = try frame.keeper.write(frame.place, value, after: expected) else {
            return .conflict
        }
        position.forgetBatch()
        if next.position != record?.position { gone = nil }
        (self.position, self.owed, record, revision) = (position, owed, next, stored)
        return .stored(revision: stored)
    }

    // MARK: the store

    private func insert(
        _ batch: IntentBatch, _ order: IntentMachine.Insert, _ refuse: Refuse
    ) throws(StoreError) -> IntentMachine.Answer {
        var refused: [RefusedTick] = []
        if let reason = try send(batch, order, &refused) { return .differs(reason) }
        do throws(StoreError) {
            if !refused.isEmpty { self.batch?.after = try refuse(refused) }
        } catch {
            // Nothing is set aside. When the table is mended, all is sent again.
            if case .withheld = error { frame.sends.forget() }
            throw error
        }
        frame.sends.forget()
        return .inserted
    }

    /// Sends what is not stored. Returns why the server has other rows; `nil`: it has these, and
    /// keeps them after a crash. Where it does not say so, the next try sends them once more.
    private func send(
        _ batch: IntentBatch, _ order: IntentMachine.Insert, _ refused: inout [RefusedTick]
    ) throws(StoreError) -> String? {
        frame.sends.begin(order.token, frame.server.tablesSeen)
        do throws(StoreError) {
            for part in batch.parts {
                let insert = BlockInsert(
                    part, token: "\(order.token)/\(part.block.tableName)/\(part.block.part)",
                    isRepeat: order.isRepeat, until: order.until, frame)
                if let reason = try insert.run(&refused) { return reason }
            }
        } catch {
            // Where only the time of a try is over, the next one gets further.
            guard error.failure?.cause is IntentFailure else {
                frame.sends.doubt()
                throw error
            }
            try confirm()
            throw error
        }
        try confirm()
        return nil
    }

    private func confirm() throws(StoreError) {
        do throws(StoreServerError) {
            try frame.server.confirm()
        } catch {
            frame.sends.doubt()
            throw error.asStoreError
        }
    }

    private func asked<Value>(
        _ body: () throws(StoreServerError) -> Value
    ) throws(StoreError) -> Value {
        do throws(StoreServerError) {
            return try body()
        } catch {
            throw error.asStoreError
        }
    }

    // MARK: errors

    private func failure(
        _ reason: String, _ category: StoreError.Category
    ) -> StoreError {
        .failed(
            StoreError.Failure(
                category: category,
                cause: IntentFailure(
                    description: "\(InputNumber.name(InputNumber.of(frame.place))) \(reason)")))
    }

    private func error(of outcome: IntentOutcome) -> StoreError {
        let category: StoreError.Category =
            switch outcome {
            case .released, .lost, .recordChanged: .retryable
            case .fenced: .fenced
            case .recordRefused, .storeAhead, .batchDiffers, .unmakeable, .storeDiffers,
                .tooManySources:
                .schema
            }
        return failure("at \(frame.server.peer): \(outcome)", category)
    }
}

/// Why a tenure cannot go on.
struct IntentFailure: Error, CustomStringConvertible {
    let description: String
}

extension StoreServerError {
    /// As a worker handles it.
    var asStoreError: StoreError {
        let category: StoreError.Category =
            switch fault {
            case .away, .tooLarge: .retryable
            case .schema, .rows: .schema
            }
        return .failed(
            StoreError.Failure(
                category: category, isTooMuchAtOnce: fault == .tooLarge,
                code: code.map { String($0) }, cause: self))
    }
}
