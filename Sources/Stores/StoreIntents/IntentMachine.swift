package import Primitives
package import TapeCodec

/// Decides what is inserted next into a store without transactions, for one record: one table
/// group of the store and one input of one partition. It is one tenure of one owner.
///
/// A batch is *declared* when it is in the record as its intent. Only a declared batch is inserted.
/// Only what is inserted becomes the position. The record changes by compare-and-set alone, so of
/// several owners one can declare; the others end.
///
/// Pure: events in, effects out. At most one order is out. Its shell answers each order once,
/// after a deadline with `unsettled`. Times are monotonic.
package struct IntentMachine: Sendable {
    /// Waits between attempts: the first one, and the longest.
    static let retryNanosecondsFirst: Int64 = 50_000_000
    static let retryNanosecondsMax: Int64 = 10_000_000_000
    /// A part of a batch may be sent this long after the record was surely this owner's. After a
    /// longer pause the record is read first.
    static let insertNanosecondsMax: Int64 = 10_000_000_000

    /// How a store recognises a row or batch that it has.
    package enum RepeatRule: Sendable {
        /// A row replaces the one with its key. A repeat changes nothing at any time.
        case byKey
        /// The store knows the tokens of its last batches and drops a repeat of those.
        case byToken
    }

    package enum State: Sendable {
        /// The tenure has not begun.
        case closed
        /// This order is out.
        case ordered(Order)
        /// This order is given at the given time.
        case waiting(Order, retryAt: MonotonicTime)
        /// All that was offered is stored.
        case standing
        case ended
    }

    /// What the shell has to do, with one answer.
    package enum Order: Sendable {
        /// Read the record, as the leader has it: `read`, `refused`.
        case read
        /// Store the record if its last write is `expected`: `stored`, `conflict`.
        case write(IntentRecord, expected: UInt64)
        /// Ask the store for the last ordinal of each source in this record's rows: `surveyed`.
        case survey
        /// Make the batch after this position from the tape, with the bounds and the layout of the
        /// intent: `remade`, `unmakeable`, `gone`.
        case remake(StoreIntent, after: TapePosition?)
        /// Insert the batch, each of its parts (one for each table and day) with a token that
        /// begins with this one: `inserted`, when all of them are stored for good.
        case insert(StoreIntent, Insert)
    }

    /// How a batch is inserted.
    package struct Insert: Sendable {
        /// The token of the batch.
        package var token: String
        /// Whether any part may be there. A store that recognises tokens is then asked for each
        /// part, and gets only those that it lacks. When it has a part of one: `differs`.
        package var isRepeat: Bool
        /// No part is sent later: `unsettled`.
        package var until: MonotonicTime
    }

    /// What became of an order, or why not.
    package enum Answer: Sendable {
        /// `nil`: there is none. `revision` is that of its last write; 0: there was no write.
        case read(IntentRecord?, revision: UInt64)
        case refused(VersionedJSON.Refusal)
        case stored(revision: UInt64)
        case conflict
        case surveyed([SourceOrdinal])
        case remade(StoreIntent)
        case unmakeable(String)
        /// Its packets are gone from the tape. The shell has counted what the store has of it, and
        /// keeps the names of the rest with the position after it.
        case gone
        case inserted
        case differs(String)
        /// To any order: it failed, or its outcome is not known. It may take effect later.
        case unsettled
    }

    package enum Event: Sendable {
        /// Begins the tenure.
        case open
        case answered(attempt: UInt64, Answer)
        /// The next batch. Only when `canTake`.
        case offered(StoreIntent)
        /// Time has passed.
        case timePassed
        /// Finish what is declared, and take no more.
        case drain
        /// The partition is another owner's.
        case lost
    }

    package enum Effect: Sendable {
        case order(Order, attempt: UInt64)
        /// Batches may be offered. The first one begins after this position.
        case begin(after: TapePosition?)
        /// Everything up to this position is in the store, and the record says so.
        case stored(TapePosition)
        /// The last effect.
        case ended(IntentOutcome)
    }

    private enum Phase {
        case claiming
        case surveying
        /// A declared batch of an earlier tenure has to be stored first.
        case replaying
        case working
    }

    /// What does not change in a tenure.
    private struct Tenure {
        /// The name of the record, with which tokens begin.
        let name: String
        let rule: RepeatRule
        let epoch: UInt64
        let instance: UInt64
    }

    private let tenure: Tenure
    package private(set) var state = State.closed
    private var phase = Phase.claiming
    /// The record as this owner has stored it, and the revision of that.
    private var record: IntentRecord
    private var revision: UInt64 = 0
    /// A write whose outcome is not known.
    private var pending: IntentRecord?
    /// How the tenure ends if the record is still this owner's.
    private var doubt: IntentOutcome?
    /// The batch to be declared next.
    private var next: StoreIntent?
    private var isDraining = false
    /// Increases with every order, so that an answer to an earlier one can be recognised.
    private var attempt: UInt64 = 0
    /// The time of the present event, and when the last order was given.
    private var now = MonotonicTime.distantPast
    private var orderedAt = MonotonicTime.distantPast
    /// When that order was given whose answer shows that the record is this owner's.
    private var provenAt = MonotonicTime.distantPast
    /// The number of failures since the last progress, which determines the next wait.
    private var failures = 0

    package init(name: String, rule: RepeatRule, epoch: UInt64, instance: UInt64) {
        precondition(epoch <= IntentRecord.numberMax, "an epoch that no record may have")
        tenure = Tenure(name: name, rule: rule, epoch: epoch, instance: instance)
        record = IntentRecord(epoch: epoch, instance: instance)
    }

    /// Whether a batch may be offered. One may wait while the one before it is inserted.
    package var canTake: Bool {
        switch state {
        case .closed, .ended: false
        case .ordered, .waiting, .standing: phase == .working && next == nil && !isDraining
        }
    }

    /// When `timePassed` is needed next; `nil` while nothing depends on the time.
    package var deadline: MonotonicTime? {
        guard case .waiting(_, let retryAt) = state else { return nil }
        return retryAt
    }

    package mutating func handle(
        _ event: Event, now: MonotonicTime, into effects: inout [Effect]
    ) {
        self.now = now
        switch event {
        case .open:
            guard case .closed = state else { preconditionFailure("a tenure begins once") }
            order(.read, into: &effects)
        case .answered(let attempt, let answer):
            guard case .ordered(let order) = state, attempt == self.attempt else { return }
            take(answer, to: order, into: &effects)
        case .offered(let batch):
            precondition(canTake, "a batch is offered while none is taken")
            precondition(
                batch.follows((pending ?? record).reach), "a batch has ordinals that are stored")
            next = batch
            if case .standing = state { proceed(into: &effects) }
        case .timePassed:
            guard case .waiting(let order, let retryAt) = state, now >= retryAt else { return }
            self.order(order, into: &effects)
        case .drain: drain(into: &effects)
        case .lost: end(.lost, into: &effects)
        }
    }

    // MARK: orders and their answers

    private mutating func order(_ order: Order, into effects: inout [Effect]) {
        attempt += 1
        orderedAt = now
        state = .ordered(order)
        effects.append(.order(order, attempt: attempt))
    }

    private mutating func orderLater(_ order: Order) {
        let wait = min(Self.retryNanosecondsFirst << min(failures, 20), Self.retryNanosecondsMax)
        failures += 1
        state = .waiting(order, retryAt: now + wait)
    }

    private mutating func end(_ outcome: IntentOutcome, into effects: inout [Effect]) {
        if case .ended = state { return }
        state = .ended
        next = nil
        effects.append(.ended(outcome))
    }

    /// Ends the tenure because of what the store or the tape has, if the record shows that no
    /// successor has done it meanwhile.
    private mutating func end(_ outcome: IntentOutcome, ifOurs effects: inout [Effect]) {
        doubt = outcome
        order(.read, into: &effects)
    }

    /// What is declared is left to the next owner, unless it is this one's to finish.
    private mutating func drain(into effects: inout [Effect]) {
        isDraining = true
        next = nil
        if case .standing = state { return end(.released, into: &effects) }
        if phase != .working { end(.released, into: &effects) }
    }

    private mutating func take(
        _ answer: Answer, to order: Order, into effects: inout [Effect]
    ) {
        switch (answer, order) {
        case (.read(let found, let revision), .read):
            settle(found, revision, into: &effects)
        case (.refused(let refusal), .read): end(.recordRefused(refusal), into: &effects)
        case (.stored(let revision), .write(let written, _)):
            stored(written, revision, into: &effects)
        case (.conflict, .write), (.unsettled, .write): self.order(.read, into: &effects)
        case (.surveyed(let sources), .survey): compare(sources, into: &effects)
        case (.remade(let made), .remake(let declared, _)):
            guard made == declared else {
                return end(.batchDiffers(declared: declared, made: made), ifOurs: &effects)
            }
            insert(declared, isRepeat: true, into: &effects)
        case (.unmakeable(let reason), .remake): end(.unmakeable(reason), ifOurs: &effects)
        case (.gone, .remake(let declared, _)): passed(declared, into: &effects)
        case (.inserted, .insert(let intent, _)): passed(intent, into: &effects)
        case (.differs(let reason), .insert): end(.storeDiffers(reason), ifOurs: &effects)
        // Before a batch is inserted again, the record shows whether it is still this owner's. So
        // an owner that was replaced gives one such order at most.
        case (.unsettled, .insert): orderLater(.read)
        case (.unsettled, .read), (.unsettled, .survey), (.unsettled, .remake):
            orderLater(order)
        case (.read, _), (.refused, _), (.stored, _), (.conflict, _), (.surveyed, _),
            (.remade, _), (.unmakeable, _), (.gone, _), (.inserted, _), (.differs, _):
            preconditionFailure("an answer does not fit its order")
        }
    }

    // MARK: the record

    /// Decides about a record that was read: to claim it, because the outcome of a write is not
    /// known, before an insert, or before the tenure ends.
    private mutating func settle(
        _ found: IntentRecord?, _ revision: UInt64, into effects: inout [Effect]
    ) {
        if let pending, found == pending { return stored(pending, revision, into: &effects) }
        if phase == .claiming { return claim(found, revision, into: &effects) }
        guard revision == self.revision, found == record else {
            let theirs = found?.epoch ?? 0
            return end(
                theirs > tenure.epoch
                    ? .fenced(ours: tenure.epoch, theirs: theirs) : .recordChanged,
                into: &effects)
        }
        provenAt = orderedAt
        if let doubt {
            end(doubt, into: &effects)
        } else if let pending {
            // The write may still arrive. The same one with the same expectation settles it.
            orderLater(.write(pending, expected: revision))
        } else if let intent = record.intent {
            insert(intent, isRepeat: true, into: &effects)
        } else {
            preconditionFailure("the record is read, and nothing depends on it")
        }
    }

    private mutating func claim(
        _ found: IntentRecord?, _ revision: UInt64, into effects: inout [Effect]
    ) {
        var claimed = found ?? record
        let (epoch, theirs) = (tenure.epoch, claimed.epoch)
        guard theirs < epoch || theirs == epoch && claimed.instance == tenure.instance else {
            return end(.fenced(ours: epoch, theirs: theirs), into: &effects)
        }
        // Position and intent stay: they say what is in the store.
        claimed.epoch = epoch
        claimed.instance = tenure.instance
        let isFirst = pending == nil
        pending = claimed
        let write = Order.write(claimed, expected: revision)
        if isFirst { order(write, into: &effects) } else { orderLater(write) }
    }

    private mutating func write(_ record: IntentRecord, into effects: inout [Effect]) {
        let count = record.reach?.sources.count ?? 0
        guard count <= IntentRecord.sourcesMax else {
            return end(.tooManySources(count), into: &effects)
        }
        pending = record
        order(.write(record, expected: revision), into: &effects)
    }

    private mutating func stored(
        _ written: IntentRecord, _ revision: UInt64, into effects: inout [Effect]
    ) {
        failures = 0
        provenAt = orderedAt
        pending = nil
        self.revision = revision
        let before = record.position
        record = written
        if phase == .claiming {
            phase = tenure.rule == .byToken ? .surveying : .replaying
        } else if let position = written.position, position != before {
            effects.append(.stored(position))
        }
        proceed(into: &effects)
    }

    /// Does what comes next with the record as it is stored.
    private mutating func proceed(into effects: inout [Effect]) {
        switch phase {
        case .claiming: preconditionFailure("the record is not claimed")
        case .surveying: return order(.survey, into: &effects)
        case .replaying:
            if let intent = record.intent {
                return order(.remake(intent, after: record.position), into: &effects)
            }
            phase = .working
            effects.append(.begin(after: record.position))
        case .working: break
        }
        if let intent = record.intent {
            insert(intent, isRepeat: false, into: &effects)
        } else if isDraining {
            end(.released, into: &effects)
        } else if next != nil {
            write(withNext(record), into: &effects)
        } else {
            state = .standing
        }
    }

    /// Returns the record with the batch that waits: declared, or passed if it has no rows.
    private mutating func withNext(_ record: IntentRecord) -> IntentRecord {
        guard let next else { return record }
        self.next = nil
        var record = record
        if next.rows > 0 {
            record.intent = next
        } else {
            record.position = next.end(after: record.position)
        }
        return record
    }

    // MARK: the store

    /// Compares what the store has with what it may have. A store that is ahead has batches whose
    /// bounds are not known any more.
    private mutating func compare(_ stored: [SourceOrdinal], into effects: inout [Effect]) {
        let reach = record.reach?.sources ?? []
        for source in stored {
            let known = reach.first { $0.source == source.source }?.lastOrdinal ?? 0
            guard source.lastOrdinal <= known else {
                return end(
                    .storeAhead(
                        source: source.source, stored: source.lastOrdinal, known: known),
                    ifOurs: &effects)
            }
        }
        failures = 0
        phase = .replaying
        proceed(into: &effects)
    }

    private mutating func insert(
        _ intent: StoreIntent, isRepeat: Bool, into effects: inout [Effect]
    ) {
        let until = provenAt + Self.insertNanosecondsMax
        guard now < until else { return order(.read, into: &effects) }
        let token = intent.token(in: tenure.name)
        order(
            .insert(intent, Insert(token: token, isRepeat: isRepeat, until: until)),
            into: &effects)
    }

    /// The position moves past the batch. The next one is declared by the same write.
    private mutating func passed(_ intent: StoreIntent, into effects: inout [Effect]) {
        failures = 0
        var record = record
        record.position = intent.end(after: record.position)
        record.intent = nil
        write(withNext(record), into: &effects)
    }
}
