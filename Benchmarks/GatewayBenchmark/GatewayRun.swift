internal import Glibc
import MarketModel
import Primitives
import ServiceRuntime
import TapeTransport
import TestSupport

/// The shipped gateway between a broker or an exchange and a nats-server that syncs every write.
final class GatewayRun {
    /// The result of a run.
    struct Outcome {
        var load = ""
        /// The share of one core in the steady stretch.
        var share = 0.0
        var threads: [(name: String, share: Double)] = []
        var present = 0
        var peak = 0
        var sent = 0
        /// The ticks on the tape, and how many of them are there more than once.
        var stored = 0
        var doubled = 0
        var packets = 0
        var messagesPerSecond = 0.0
        /// Sorted nanoseconds of the steady stretch, per tick: from the write to the socket to the
        /// acknowledgement of its packet.
        var ticks: [Int64] = []
        /// The same per packet, from its last tick on.
        var lastTicks: [Int64] = []
        /// The bare program's times, measured in the same way, and from sending a packet.
        var bareTicks: [Int64] = []
        var bareLastTicks: [Int64] = []
        var bareSends: [Int64] = []
    }

    static let warmSeconds = 4.0
    private static let startSeconds = 60.0

    private let settings: Settings
    private let stage: Stage
    private let folder: TemporaryFolder
    private let market: TickServer
    private let port = freePort()
    private let clock = SystemClock()

    struct Settings {
        var side = Side.broker
        var ticksPerSecond = 50_000
        var steadySeconds = 15.0
        /// Settings of the gateway in addition to the necessary ones.
        var environment: [String: String] = [:]
    }

    init(_ settings: Settings) throws {
        self.settings = settings
        stage = try Stage()
        folder = try TemporaryFolder("gateway-benchmark")
        market = try TickServer(settings.side)
    }

    func run() throws -> Outcome {
        defer {
            market.stop()
            stage.client.close()
        }
        var outcome = Outcome(load: try ProcessUse.load())
        let gateway = try start()
        defer { gateway.stop() }
        let acks = try AckWatch(url: stage.server.url)
        let script = try script(gateway)
        outcome.sent = script.ticks
        outcome.messagesPerSecond =
            Double(script.messages) / Double(script.parts.count) * 1e9
            / Double(TickScript.partNanoseconds)
        market.send(script)
        pause(Self.warmSeconds)
        let before = try ProcessUse(gateway.id)
        let start = clock.monotonic().nanoseconds
        pause(settings.steadySeconds - 1)
        let after = try ProcessUse(gateway.id)
        let seconds = Double(clock.monotonic().nanoseconds - start) / 1e9
        outcome.share = (after.processor - before.processor) / seconds
        outcome.threads = after.shares(since: before, seconds: seconds)
        (outcome.present, outcome.peak) = try ProcessUse.memory(gateway.id)
        let sentAt = try wait(gateway, "the script is not sent") { try market.sentAt }
        try waitForQuiet(gateway)
        gateway.stop()
        try judge(script, sentAt, acks.times, &outcome)
        return outcome
    }

    private func start() throws -> ServerProcess {
        var own = [
            "NATS_URL": stage.server.url, "OPS_PORT": "\(port)", "LOG_LEVEL": "warning",
            "GATEWAY_SOURCE": stage.source.text,
            "GATEWAY_INSTRUMENTS": folder.file("instruments.yaml"),
        ]
        switch settings.side {
        case .broker:
            try folder.write(Feeds.file, to: "instruments.yaml")
            own["GATEWAY_PROVIDER"] = "ibkr"
            own["IBKR_PORT"] = "\(market.port)"
            own["IBKR_TICK_LINES"] = "\(2 * Feeds.tickByTick)"
        case .exchange, .hotHot:
            try folder.write(StoppedExchange.file, to: "instruments.yaml")
            own["GATEWAY_PROVIDER"] = "binance"
            own["BINANCE_URL"] = "ws://127.0.0.1:\(market.port)/stream"
            own["BINANCE_FILL"] = "false"
            own["BINANCE_HOT_HOT"] = "\(settings.side == .hotHot)"
        }
        return try ServerProcess(
            try ProductPrograms.path("provider-gateway"), [],
            environment: own.merging(settings.environment) { $1 },
            logPath: folder.file("gateway.log"))
    }

    /// Makes the script once everything is subscribed.
    private func script(_ gateway: ServerProcess) throws -> TickScript {
        let asked = try wait(gateway, "not everything was asked for") { try market.asked }
        pause(2)
        return TickScript(
            asked, ticksPerSecond: settings.ticksPerSecond,
            seconds: Self.warmSeconds + settings.steadySeconds,
            start: clock.now().advanced(byNanoseconds: 1_000_000_000))
    }

    private func pause(_ seconds: Double) { usleep(useconds_t(seconds * 1e6)) }

    private func wait<Value>(
        _ gateway: ServerProcess, _ complaint: String, _ look: () throws -> Value?
    ) throws -> Value {
        let deadline = clock.monotonic().nanoseconds + Int64(Self.startSeconds * 1e9)
        while clock.monotonic().nanoseconds < deadline, gateway.isRunning {
            if let value = try look() { return value }
            pause(0.05)
        }
        throw Unusable("\(complaint): \(gateway.log.suffix(1_000))")
    }

    /// Waits until everything received is on the tape: no new ticks for a while, and none waiting.
    /// The last packets are acknowledged while the gateway drains.
    private func waitForQuiet(_ gateway: ServerProcess) throws {
        var last: UInt64?
        _ = try wait(gateway, "the gateway does not come to an end") {
            pause(0.3)
            let answer = try HTTPProbe.get(
                host: "127.0.0.1", port: port, path: "/status", timeout: .seconds(5))
            let status = try JSONValue.parse(answer.body)
            guard let taken = status.at("gateway", "generated")?.uint64,
                let waiting = status.at("gateway", "waiting")?.uint64
            else { throw Unusable("the gateway does not tell its progress") }
            defer { last = taken }
            return taken == last && waiting == 0 ? true : nil
        }
    }

    // MARK: afterwards

    private func judge(
        _ script: TickScript, _ sentAt: [Int64], _ acks: [AckWatch.Place: Int64],
        _ outcome: inout Outcome
    ) throws {
        var sent = [Int64](repeating: 0, count: script.ticks)
        var tick = 0
        for (part, end) in script.parts.map(\.ticksEnd).enumerated() {
            while tick < end {
                sent[tick] = sentAt[part]
                tick += 1
            }
        }
        let packets = try StoredTicks.read(stage.client, of: stage.source)
        outcome.packets = packets.count
        var isStored = [Bool](repeating: false, count: script.ticks)
        for packet in packets {
            for tick in packet.ticks {
                if isStored[tick] { outcome.doubled += 1 } else { outcome.stored += 1 }
                isStored[tick] = true
            }
        }
        let start = sentAt[0]
        let due = packets.map { packet in (packet.ticks.map { sent[$0] }.max() ?? start) - start }
        let bare = try BareReplay.run(packets, due: due)
        let steady = start + Int64(Self.warmSeconds * 1e9)
        for (index, packet) in packets.enumerated() {
            guard let acknowledged = acks[packet.place] else {
                throw Unusable("an acknowledgement was not heard")
            }
            let last = start + due[index]
            guard last >= steady else { continue }
            outcome.lastTicks.append(acknowledged - last)
            outcome.bareLastTicks.append(bare[index].fromDue)
            outcome.bareSends.append(bare[index].fromSending)
            for tick in packet.ticks {
                outcome.ticks.append(acknowledged - sent[tick])
                outcome.bareTicks.append(last + bare[index].fromDue - sent[tick])
            }
        }
        outcome.ticks.sort()
        outcome.lastTicks.sort()
        outcome.bareTicks.sort()
        outcome.bareLastTicks.sort()
        outcome.bareSends.sort()
    }
}
