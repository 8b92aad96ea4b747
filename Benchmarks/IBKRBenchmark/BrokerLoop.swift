internal import Glibc
import IBSimulator
import Primitives
import ServiceRuntime
import Synchronization

/// The main loop of the broker's thread.
final class BrokerLoop {
    private static let connection = 1
    private static let stepNanoseconds: Int64 = 10_000_000
    private static let readBytes = 64 * 1_024

    private let listener: Listener
    private let shared: Broker.Shared
    private let clock = SystemClock()
    private var simulator: Simulator
    private var client: Int32 = -1
    private var requests = RequestWatch()
    private var buffer = [UInt8](repeating: 0, count: BrokerLoop.readBytes)
    private var script: TickScript?
    private var next = 0
    private var start: Int64 = 0
    private var sentAt: [Int64] = []
    private var steppedAt = Int64.min

    init(_ listener: Listener, _ shared: Broker.Shared) {
        self.listener = listener
        self.shared = shared
        simulator = Broker.simulator(now: clock.now())
    }

    deinit { if client >= 0 { close(client) } }

    func run() {
        do {
            while !shared.state.withLock({ $0.isStopping }) { try turn() }
        } catch {
            shared.state.withLock { $0.failure = "\(error)" }
        }
    }

    private func turn() throws {
        takeScript()
        wait()
        if client < 0, let accepted = listener.accept() {
            client = accepted
            _ = simulator.opened(Self.connection, now: clock.now())
        }
        guard client >= 0 else { return }
        try read()
        let now = clock.monotonic().nanoseconds
        if steppedAt == Int64.min || now >= steppedAt + Self.stepNanoseconds {
            steppedAt = now
            try step()
        }
        try sendParts()
    }

    private func takeScript() {
        guard script == nil else { return }
        script = shared.state.withLock { state in
            defer { state.script = nil }
            return state.script
        }
        guard let script else { return }
        next = 0
        sentAt = []
        sentAt.reserveCapacity(script.parts.count)
        start = 0
    }

    /// Waits for the next part of the script, or for the client.
    private func wait() {
        guard script == nil || start == 0 else {
            let due = start + Int64(next) * TickScript.partNanoseconds
            var time = timespec(
                tv_sec: Int(due / 1_000_000_000), tv_nsec: Int(due % 1_000_000_000))
            unsafe _ = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil)
            return
        }
        let descriptor = client < 0 ? listener.descriptor : client
        var waits = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        unsafe _ = poll(&waits, 1, Int32(Self.stepNanoseconds / 1_000_000))
    }

    private func read() throws {
        let count = unsafe recv(client, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        guard count != 0 else { throw Unusable("the gateway has closed the connection") }
        guard count > 0 else { return }
        let bytes = Array(buffer[..<count])
        requests.add(bytes)
        shared.state.withLock { $0.feeds = requests.feeds }
        simulator.received(bytes, from: Self.connection, now: clock.now())
        try step()
    }

    /// Sends what the simulator has for the client.
    private func step() throws {
        let now = clock.now()
        simulator.advance(to: now)
        let count = simulator.allowance(of: Self.connection, now: now)
        guard count > 0 else { return }
        try write(Array(simulator.bytes(for: Self.connection, count: count))[...])
        simulator.sent(count, to: Self.connection, now: now)
    }

    private func sendParts() throws {
        guard let script else { return }
        if start == 0 {
            try write(script.opening[...])
            start = clock.monotonic().nanoseconds + TickScript.partNanoseconds
        }
        while next < script.parts.count {
            let now = clock.monotonic().nanoseconds
            guard now >= start + Int64(next) * TickScript.partNanoseconds else { return }
            let from = next > 0 ? script.parts[next - 1].bytesEnd : 0
            sentAt.append(now)
            try write(script.bytes[from..<script.parts[next].bytesEnd])
            next += 1
        }
        self.script = nil
        shared.state.withLock { state in
            state.sentAt = sentAt
            state.isSent = true
        }
    }

    /// Waits if the receiver does not read.
    private func write(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Unusable("the gateway does not take what it is sent") }
            rest = rest.dropFirst(count)
        }
    }
}

/// Collects the numbers of the client's requests.
struct RequestWatch {
    private(set) var feeds = Feeds()
    private var bytes: [UInt8] = []
    private var isGreeted = false

    mutating func add(_ more: [UInt8]) {
        bytes += more
        while true {
            // Four bytes come before the greeting.
            let head = isGreeted ? 0 : 4
            guard bytes.count >= head + 4 else { return }
            let length = bytes[head..<head + 4].reduce(0) { $0 << 8 | Int($1) }
            guard bytes.count >= head + 4 + length else { return }
            if isGreeted { note(bytes[4..<4 + length]) }
            isGreeted = true
            bytes.removeFirst(head + 4 + length)
        }
    }

    private mutating func note(_ body: ArraySlice<UInt8>) {
        let fields = body.split(separator: 0, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        switch fields.first {
        case "1": if let id = Int32(fields[2]) { feeds.level1.append(id) }
        case "97":
            guard let id = Int32(fields[1]) else { return }
            if fields.contains("BidAsk") {
                feeds.quotes.append(id)
            } else {
                feeds.trades.append(id)
            }
        default: return
        }
    }
}

extension Broker {
    /// Returns a simulator whose market is stopped.
    static func simulator(now: Timestamp) -> Simulator {
        var settings = SimulatorSettings()
        settings.keepsTruth = false
        settings.limits.tickByTickLines = 2 * Feeds.tickByTick
        let instruments = InstrumentList.make(
            symbols: [], madeUp: Feeds.level1 + Feeds.tickByTick, others: false)
        let market = SimulatedMarket(
            instruments: instruments, seed: 1, rate: 0,
            firstSecond: now.nanoseconds / 1_000_000_000)
        return Simulator(settings, market: market, start: now)
    }
}
