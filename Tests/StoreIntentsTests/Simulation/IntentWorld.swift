import Primitives
import StoreIntents
import TapeCodec

let millisecond: Int64 = 1_000_000
let second: Int64 = 1_000_000_000

/// Processes that store the tapes of some partitions in a store without transactions, with every
/// kind of fault. Times are true time.
struct IntentWorld {
    enum Event {
        case timer(Int)
        case cut(Int)
        case arrives(Call)
        case answered(Int, attempt: UInt64, IntentMachine.Answer)
        case partAnswered(Int, call: Int, PartAnswer)
        case partTimesOut(Int, call: Int)
        case told(Int, IntentMachine.Event)
        case wakes(Int)
        case assigns(Int)
        case grows
        case storm
    }

    /// A request on its way to a server.
    struct Call {
        var shell: Int
        var number: Int
        var attempt: UInt64
        var work: Work
    }

    enum Work {
        case read
        case write(IntentRecord, expected: UInt64)
        case survey
        case look(SimulatedPart)
        /// `blocks`: those of the table when the insert was made.
        case insert(SimulatedPart, batch: String, blocks: Int)
    }

    enum PartAnswer {
        case looked(count: Int, blocks: Int)
        case inserted
    }

    static let callTimeout = second
    static let stormEnd = 20 * second
    static let end = 140 * second

    let seed: UInt64
    /// Whether records are deleted and restored. Then processes wait longer before they claim.
    let damagesRecords: Bool
    var random: SeededRandom
    var now: Int64 = 0
    var queue = EventQueue<Event>()
    var tapes: [SimulatedTape] = []
    var records = SimulatedRecords()
    var store: SimulatedStore
    var processes: [SimulatedProcess] = []
    var shells: [SimulatedShell] = []
    /// The shell that should own each record, and the epoch that was given last.
    var owners: [Int: Int] = [:]
    var epochs: [UInt64]
    /// When layouts change: processes that start later know the new one.
    let changesLayout: Int64
    /// Where each declared batch begins, by its token.
    var declared: [String: (start: UInt64, intent: StoreIntent)] = [:]
    /// Records of which a person has to decide.
    var named: Set<Int> = []
    /// The records that were deleted or restored.
    var damaged: Set<Int> = []
    var violations: [String] = []
    var counts = IntentCounts()

    init(seed: UInt64, damagesRecords: Bool = false) {
        self.seed = seed
        self.damagesRecords = damagesRecords
        random = SeededRandom(seed: seed)
        store = SimulatedStore(
            rule: SeededRandom.mixed(seed) % 4 == 0 ? .byKey : .byToken)
        let places = Int.random(in: 1...3, using: &random)
        for place in 0..<places {
            let packets = Int.random(in: 30...80, using: &random)
            tapes.append(SimulatedTape(place: place, count: packets, using: &random))
        }
        epochs = [UInt64](repeating: 0, count: places)
        let change = Int64.random(in: 2...30, using: &random)
        changesLayout = damagesRecords ? .max : change * second
        for _ in 0..<Int.random(in: 2...4, using: &random) {
            processes.append(SimulatedProcess(packetsMax: 0, layouts: []))
        }
        for process in processes.indices { start(process) }
        for place in 0..<places { queue.add(.assigns(place), at: 0) }
        queue.add(.grows, at: 0)
        queue.add(.storm, at: 100 * millisecond)
    }

    var isStorming: Bool { now < Self.stormEnd }

    mutating func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) == 0 }

    mutating func span(_ range: ClosedRange<Int64>) -> Int64 {
        Int64.random(in: range, using: &random) * millisecond
    }

    mutating func fail(_ what: String) {
        violations.append("\(store.rule), \(now / millisecond) ms: \(what)")
    }

    /// Returns what went wrong, as sentences. Empty if nothing did.
    mutating func run() -> [String] {
        var isCalm = false
        while violations.isEmpty, let next = queue.removeFirst() {
            now = next.time
            store.now = now
            if !isCalm, !isStorming {
                isCalm = true
                calm()
            }
            happen(next.event)
            if isCalm, isComplete { break }
            if now > Self.end {
                fail("no progress: \(tapes.indices.map { records.record($0)?.position?.sequence })")
            }
        }
        if violations.isEmpty { auditRows() }
        counts.dropped += store.dropped
        return violations
    }

    private mutating func happen(_ event: Event) {
        switch event {
        case .arrives(let call): arrive(call)
        case .wakes(let process): wake(process)
        case .assigns(let place): assign(place)
        case .grows: grow()
        case .storm: storm()
        case .timer(let shell), .cut(let shell), .answered(let shell, _, _),
            .partAnswered(let shell, _, _), .partTimesOut(let shell, _), .told(let shell, _):
            guard shells[shell].isAlive else { return }
            guard processes[shells[shell].member].pausedUntil <= now else {
                shells[shell].waiting.append(event)
                return
            }
            reach(shell, event)
        }
    }

    /// An event reaches a process that runs.
    private mutating func reach(_ shell: Int, _ event: Event) {
        switch event {
        case .timer: handle(shell, .timePassed)
        case .cut: cut(shell)
        case .answered(_, let attempt, let answer):
            handle(shell, .answered(attempt: attempt, answer))
        case .partAnswered(_, let call, let answer): partAnswered(shell, call, answer)
        case .partTimesOut(_, let call):
            guard shells[shell].insert?.call == call else { return }
            unsettleInsert(shell)
        case .told(_, let event): handle(shell, event)
        case .arrives, .wakes, .assigns, .grows, .storm: break
        }
    }

    private mutating func wake(_ process: Int) {
        guard processes[process].pausedUntil <= now else { return }
        for shell in shells.indices where shells[shell].member == process && shells[shell].isAlive {
            let waiting = shells[shell].waiting
            shells[shell].waiting = []
            for event in waiting { happen(event) }
        }
    }

    // MARK: the tape

    private mutating func grow() {
        for place in tapes.indices {
            let count = isStorming ? Int.random(in: 0...3, using: &random) : 8
            tapes[place].published = min(
                tapes[place].published + count, tapes[place].packets.count)
        }
        if tapes.contains(where: { $0.published < $0.packets.count }) {
            queue.add(.grows, at: now + span(100...800))
        }
    }

    /// The shell makes its next batch by its own settings.
    private mutating func cut(_ shell: Int) {
        guard case .some(let after) = shells[shell].readAfter else { return }
        queue.add(.cut(shell), at: now + span(10...60))
        let process = processes[shells[shell].member]
        guard shells[shell].machine.canTake, let layout = process.layouts.last,
            let batch = tapes[shells[shell].place].batch(
                after: after, packetsMax: process.packetsMax, layout: layout)
        else { return }
        shells[shell].rows[batch.intent] = batch.rows
        shells[shell].readAfter = .some(batch.intent.end(after: after))
        if batch.rows.isEmpty { counts.rowless += 1 }
        handle(shell, .offered(batch.intent))
    }

    // MARK: machines

    mutating func handle(_ shell: Int, _ event: IntentMachine.Event) {
        var effects: [IntentMachine.Effect] = []
        let time = MonotonicTime(nanoseconds: now)
        shells[shell].machine.handle(event, now: time, into: &effects)
        for effect in effects where shells[shell].isAlive { carryOut(effect, shell) }
        guard shells[shell].isAlive, let deadline = shells[shell].machine.deadline else { return }
        queue.add(.timer(shell), at: deadline.nanoseconds)
    }

    private mutating func carryOut(_ effect: IntentMachine.Effect, _ shell: Int) {
        switch effect {
        case .order(let order, let attempt): carryOut(order, attempt, shell)
        case .begin(let position):
            shells[shell].readAfter = .some(position)
            queue.add(.cut(shell), at: now + span(0...20))
        case .stored(let position): auditReport(position, shell)
        case .ended(let outcome): ended(shell, outcome)
        }
    }

    private mutating func carryOut(
        _ order: IntentMachine.Order, _ attempt: UInt64, _ shell: Int
    ) {
        switch order {
        case .read: send(.read, attempt, shell)
        case .write(let record, let expected):
            if let point = point(of: record, shell), strike(point, shells[shell].member) { return }
            send(.write(record, expected: expected), attempt, shell)
        case .survey: send(.survey, attempt, shell)
        case .remake(let intent, let position):
            let answer = remake(intent, after: position, shell)
            queue.add(.answered(shell, attempt: attempt, answer), at: now + span(1...50))
        case .insert(let intent, let insert):
            auditInsertOrder(shell)
            guard let rows = shells[shell].rows[intent] else {
                return fail("an insert of a batch that was not made")
            }
            shells[shell].insert = SimulatedShell.Insert(
                attempt: attempt, order: insert, parts: SimulatedPart.all(rows))
            nextPart(shell)
        }
    }

    private mutating func remake(
        _ intent: StoreIntent, after position: TapePosition?, _ shell: Int
    ) -> IntentMachine.Answer {
        if isStorming, chance(12) { return .unsettled }
        let process = processes[shells[shell].member]
        guard process.layouts.contains(intent.layout) else { return .unmakeable("layout") }
        let tape = tapes[shells[shell].place]
        guard
            let batch = tape.batch(
                after: position, through: intent.packet.sequence, layout: intent.layout)
        else { return .unmakeable("packets") }
        counts.replays += 1
        if intent.layout != process.layouts.last { counts.otherLayouts += 1 }
        let own = tape.batch(
            after: position, packetsMax: process.packetsMax, layout: intent.layout)
        if own?.intent != intent { counts.otherBounds += 1 }
        shells[shell].rows[batch.intent] = batch.rows
        return .remade(batch.intent)
    }

    private mutating func ended(_ shell: Int, _ outcome: IntentOutcome) {
        shells[shell].isAlive = false
        let place = shells[shell].place
        switch outcome {
        case .released: counts.released += 1
        case .lost: break
        case .unmakeable: counts.unmakeable += 1
        case .fenced(_, let theirs):
            counts.fenced += 1
            epochs[place] = max(epochs[place], theirs)
        case .storeAhead where damagesRecords:
            counts.noticed += 1
            named.insert(place)
        case .recordChanged where damagesRecords: break
        case .recordChanged, .recordRefused, .storeAhead, .batchDiffers, .storeDiffers,
            .tooManySources:
            fail("\(outcome)")
        }
        if owners[place] == shell { queue.add(.assigns(place), at: now + span(50...300)) }
    }

    // MARK: owners

    /// Gives the record to a process.
    private mutating func assign(_ place: Int) {
        guard !named.contains(place) else { return }
        let process = Int.random(in: 0..<processes.count, using: &random)
        // The bucket of the owners may be restored, too: then the epoch is one that was used.
        if !isStorming || chance(10) == false {
            epochs[place] += UInt64.random(in: 1...3, using: &random)
        }
        if let old = owners[place], shells[old].isAlive, chance(2) {
            queue.add(.told(old, .lost), at: now + span(0...2_000))
        }
        let name = "ch/trades/\(place)"
        shells.append(
            SimulatedShell(
                place: place, member: process, epoch: epochs[place],
                machine: IntentMachine(
                    name: name, rule: store.rule, epoch: epochs[place],
                    instance: random.next())))
        owners[place] = shells.count - 1
        // What was on its way to the store when a record was damaged has arrived by then.
        let wait = damaged.contains(place) ? 12 * second : 0
        queue.add(.told(shells.count - 1, .open), at: now + wait)
    }

    /// Starts a process, with other settings than before.
    mutating func start(_ process: Int) {
        var layouts: [UInt64] = [1]
        if now >= changesLayout { layouts = process == 0 || !chance(3) ? [1, 2] : [2] }
        processes[process] = SimulatedProcess(
            packetsMax: Int.random(in: 1...12, using: &random), layouts: layouts)
    }

    /// All of the process ends; what it sent is on its way. Another one starts in its place.
    mutating func kill(_ process: Int) {
        for shell in shells.indices where shells[shell].member == process && shells[shell].isAlive {
            shells[shell].isAlive = false
            let place = shells[shell].place
            if owners[place] == shell { queue.add(.assigns(place), at: now + span(50...600)) }
        }
        start(process)
    }

    mutating func pause(_ process: Int, _ time: Int64) {
        processes[process].pausedUntil = max(processes[process].pausedUntil, now + time)
        queue.add(.wakes(process), at: processes[process].pausedUntil)
    }
}
