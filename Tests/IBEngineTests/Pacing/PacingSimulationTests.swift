import IBEngine
import IBProtocol
import Primitives
import Seeds
import Testing

/// A server that punishes, and counts in another way than the machine.
private struct StrictServer {
    private var messages: [MonotonicTime] = []
    private struct Question {
        var time: MonotonicTime
        var contract: Contract
        var ticks: HistoryTicksRequest
        var units: Int { ticks.kind == .bidAsk ? 2 : 1 }
    }

    private var history: [Question] = []
    private(set) var open: Set<Int32> = []
    private(set) var lines: Set<Int32> = []
    var complaints: [String] = []

    mutating func receive(_ request: IBRequest, at now: MonotonicTime) {
        messages.removeAll { $0 <= now - second }
        messages.append(now)
        if messages.count > 50 { complaints.append("messages") }
        switch request {
        case .historyTicks(let id, let contract, let ticks):
            receive(id, Question(time: now, contract: contract, ticks: ticks))
        case .marketData(let id, _, _):
            lines.insert(id)
            if lines.count > 100 { complaints.append("lines") }
        case .cancelMarketData(let id): lines.remove(id)
        default: break
        }
    }

    mutating func answer(_ id: Int32) { open.remove(id) }

    private let second: Int64 = 1_000_000_000

    private mutating func receive(_ id: Int32, _ question: Question) {
        let now = question.time
        history.removeAll { $0.time <= now - 600 * second }
        history.append(question)
        open.insert(id)
        if open.count > 50 { complaints.append("open") }
        if history.reduce(0, { $0 + $1.units }) > 60 { complaints.append("window") }
        let recent = history.filter { $0.time > now - 15 * second }
        let ofContract = recent.filter { $0.contract == question.contract }
        let burst = ofContract.count {
            $0.time > now - 2 * second && $0.ticks.kind == question.ticks.kind
        }
        if burst > 5 { complaints.append("burst") }
        let same = ofContract.count { $0.ticks == question.ticks }
        if same > 1 { complaints.append("identical") }
    }
}

private struct PacingWorld {
    var random: SeededRandom
    var machine: PacingMachine
    var server = StrictServer()
    var now = MonotonicTime(nanoseconds: 0)
    var asked: Set<Int32> = []
    var sent: Set<Int32> = []
    private var upcoming: Int32 = 1

    init(seed: UInt64, _ limits: PacingLimits = PacingLimits()) {
        random = SeededRandom(seed: seed)
        machine = PacingMachine(limits)
    }

    mutating func step() {
        for _ in 0..<Int.random(in: 0...4, using: &random) { ask() }
        if let id = server.open.sorted().randomElement(using: &random), chance(0.7) {
            server.answer(id)
            machine.answered(id: id, now: now)
        }
        if let id = server.lines.sorted().randomElement(using: &random), chance(0.2) {
            _ = machine.ask(.cancelMarketData(id: id), .urgent, now: now)
        }
        if let id = asked.subtracting(sent).sorted().randomElement(using: &random), chance(0.1) {
            machine.withdraw(id: id)
            asked.remove(id)
        }
        send()
        now += Int64.random(in: 0...3_000_000_000, using: &random)
    }

    /// Lets all requests leave: no new ones are made, and all are answered.
    mutating func drain() -> Bool {
        for _ in 0..<5_000 where machine.waiting > 0 {
            for id in server.open {
                server.answer(id)
                machine.answered(id: id, now: now)
            }
            for id in server.lines { _ = machine.ask(.cancelMarketData(id: id), .urgent, now: now) }
            send()
            guard machine.nextDue != .never else { continue }
            now = max(now, machine.nextDue)
        }
        return machine.waiting == 0
    }

    private mutating func send() {
        var requests: [IBRequest] = []
        machine.take(now: now, into: &requests)
        for request in requests {
            server.receive(request, at: now)
            if case .historyTicks(let id, _, _) = request { sent.insert(id) }
            if case .marketData(let id, _, _) = request { sent.insert(id) }
        }
    }

    private mutating func chance(_ share: Double) -> Bool {
        Double.random(in: 0..<1, using: &random) < share
    }

    private mutating func ask() {
        let id = upcoming
        upcoming += 1
        let contract = Contract(.stock, "S\(Int.random(in: 0..<6, using: &random))")
        var request = IBRequest.marketData(id: id, contract, MarketDataRequest())
        if chance(0.6) {
            var ticks = HistoryTicksRequest()
            if chance(0.3) { ticks.kind = .bidAsk }
            let start = Int64.random(in: 0..<4, using: &random)
            ticks.start = .at(Timestamp(nanoseconds: start * 1_000_000_000))
            request = .historyTicks(id: id, contract, ticks)
        }
        let priority: PacingMachine.Priority = chance(0.5) ? .live : .backfill
        if machine.ask(request, priority, now: now) { asked.insert(id) }
    }
}

@Suite("Pacing, simulated")
struct PacingSimulationTests {
    @Test("a server that counts strictly never complains, and everything leaves in the end")
    func strict() {
        for seed in Seeds(fixed: 1...150).all() {
            var world = PacingWorld(seed: seed)
            for _ in 0..<50 { world.step() }
            let isDrained = world.drain()
            #expect(
                isDrained && world.server.complaints.isEmpty
                    && world.asked.isSubset(of: world.sent),
                "TAPELINE_SEED=\(seed): \(world.server.complaints), \(world.machine.waiting) wait")
        }
    }

    @Test("the server does complain about what is beyond its limits")
    func careless() {
        var limits = PacingLimits()
        limits.history.max = 70
        limits.burst.max = 7
        limits.identicalWait = .seconds(9)
        limits.historyOpenMax = 60
        limits.lines.marketData = 110
        var complaints: Set<String> = []
        for seed in 1...40 {
            var world = PacingWorld(seed: UInt64(seed), limits)
            for _ in 0..<150 { world.step() }
            complaints.formUnion(world.server.complaints)
        }
        #expect(complaints.isSuperset(of: ["window", "identical"]), "\(complaints)")
    }
}
