import Foundation
import IBSimulator
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGatewayTests

/// A gateway, a simulator of TWS and a nats-server, all as real processes, and the faults.
final class BrokerStage {
    let seed: UInt64
    let nats: NatsServer
    let tape: TestTape
    let broker: BrokerSimulator
    private(set) var gateway: BrokerGateway
    private(set) var gateways = 1
    private(set) var counts: [BrokerFault: Int] = [:]
    /// The times in which a gateway was paused and read nothing.
    private(set) var pauses: [Range<Int64>] = []
    private let folder: TemporaryFolder
    private let environment: [String: String]
    private let clock = SystemClock()
    private let firstSecond: Int64

    /// `symbols` selects from `BrokerInstruments`; empty: all. `isThere`: whether TWS runs from the
    /// start.
    init(
        _ namespace: String, seed: UInt64, rate: Int = 120, symbols: [String] = [],
        isThere: Bool = true, _ more: [String: String] = [:]
    ) throws {
        self.seed = seed
        nats = try NatsServer()
        tape = try TestTape(nats, namespace: namespace)
        folder = try TemporaryFolder("stage")
        broker = try BrokerSimulator(BrokerInstruments.stocks, rate: rate, seed: seed, others: true)
        firstSecond = clock.now().nanoseconds / 1_000_000_000
        if isThere {
            try broker.start()
            guard broker.answers() else { throw BrokerGateway.Silent(description: broker.log) }
        }
        let list = try folder.write(BrokerInstruments.file(symbols), to: "instruments.yaml")
        environment = tape.environment.merging([
            "GATEWAY_INSTRUMENTS": list, "IBKR_PORT": "\(broker.port)", "IBKR_TICK_LINES": "100",
        ]) { $1 }.merging(more) { $1 }
        gateway = try BrokerGateway(environment, log: folder.file("gateway-1.log"))
    }

    private func startGateway() throws {
        gateways += 1
        gateway = try BrokerGateway(environment, log: folder.file("gateway-\(gateways).log"))
    }

    /// Lets a fault last. This waits for nothing else.
    func pass(milliseconds: Int) { poll(nil, 0, Int32(max(0, milliseconds))) }

    /// Waits until every feed delivers.
    func expectAllFeeds(_ when: String, within seconds: Double = 120) {
        let hasAll = eventually(within: seconds) { gateway.hasAllFeeds }
        #expect(hasAll, "\(when): \(gateway.missingFeeds)\n\(broker.log)")
    }

    // MARK: faults

    /// Gives the simulator a command.
    func order(_ command: String) {
        let answer = broker.command(command)
        #expect(answer.hasPrefix("ok"), "\(command): '\(answer)'\n\(broker.log)")
    }

    /// Performs a fault from its beginning to its end. The gateway may still be recovering
    /// afterwards.
    func perform(_ fault: BrokerFault, milliseconds: Int) throws {
        counts[fault, default: 0] += 1
        func orders(_ begin: String..., end: String...) {
            for command in begin { order(command) }
            if !end.isEmpty { pass(milliseconds: milliseconds) }
            for command in end { order(command) }
        }
        switch fault {
        case .close: orders("close")
        case .halfFrame: orders("half-frame")
        case .byteAtATime: orders("byte-at-a-time on", end: "byte-at-a-time off")
        case .stall: orders("stall \(max(1, milliseconds / 1_000))")
        case .garbage: orders("garbage 64")
        case .subscriptionsLost: orders("lost", end: "restored lose")
        case .subscriptionsKept: orders("lost", end: "restored keep")
        case .marketFarm: orders("farm market down", end: "farm market up")
        case .historyFarm: orders("farm history down", end: "farm history up")
        case .nightlyReset: orders("nightly-reset \(max(1, milliseconds / 1_000))")
        case .competing: orders("competing all on", end: "competing all off")
        case .clientIDInUse: orders("refuse-client-id on", "close", end: "refuse-client-id off")
        case .pacingErrors: orders("pacing-error 5")
        case .late: orders("late 20")
        case .duplicates: orders("duplicate 20")
        case .reordered: orders("reorder 20")
        case .depthHalted: orders("halt-depth")
        case .depthReset: orders("reset-depth", "bulletin Books of \(counts) were reset")
        case .silentFeed: orders("stop SPY", end: "start SPY")
        case .serverCrash: try crashServer(milliseconds)
        case .gatewayKill: try killGateway(milliseconds)
        case .gatewayEnd:
            #expect(gateway.stop() == 0, "\(gateway.log.suffix(2_000))")
            try startGateway()
        case .gatewayPause: pauseGateway(milliseconds)
        case .natsRestart: try restartNats(milliseconds)
        }
    }

    private func crashServer(_ milliseconds: Int) throws {
        broker.crash()
        pass(milliseconds: milliseconds / 2)
        try broker.start()
        #expect(broker.answers(), "\(broker.log)")
    }

    private func killGateway(_ milliseconds: Int) throws {
        gateway.kill()
        pass(milliseconds: milliseconds / 2)
        try startGateway()
    }

    private func pauseGateway(_ milliseconds: Int) {
        let begin = clock.now().nanoseconds
        gateway.signal(SIGSTOP)
        pass(milliseconds: milliseconds)
        gateway.signal(SIGCONT)
        pauses.append(begin..<clock.now().nanoseconds)
    }

    private func restartNats(_ milliseconds: Int) throws {
        nats.kill()
        pass(milliseconds: milliseconds / 2)
        try nats.start()
    }

    // MARK: the end

    /// Stops the sending, waits until all sent values are taken, and ends both sides in order.
    func settleAndStop() throws {
        order("stall 600")
        var count: UInt64?
        var since = clock.monotonic()
        let isQuiet = try eventually {
            let now = try tape.tickCount(source: try #require(SourceName(BrokerGateway.source)))
            if now != count { (count, since) = (now, clock.monotonic()) }
            return clock.monotonic() - since > 2_000_000_000
        }
        #expect(isQuiet, "the tape does not come to rest: \(gateway.missingFeeds)")
        #expect(gateway.stop() == 0, "\(gateway.log.suffix(2_000))")
        #expect(broker.stop() == 0, "\(broker.log)")
    }

    struct Findings {
        var problems: [String] = []
        var summary = ""
        var tape = BrokerTape()
    }

    /// Compares the tape with the logs of the simulator, for these symbols; empty: for all.
    func audit(symbols: [String] = []) throws -> Findings {
        let names = BrokerInstruments.names.filter {
            symbols.isEmpty || symbols.contains($0.value)
        }
        let feeds = BrokerInstruments.feeds.filter { symbols.isEmpty || symbols.contains($0.key) }
        var truth = BrokerTruth(names: names)
        for (run, lines) in try broker.truth().enumerated() { truth.read(lines, run: run) }
        let onTape = try BrokerTape(tape)
        var values = BrokerValueAudit(feeds: feeds, truth: truth, tape: onTape)
        values.pauses = pauses
        values.gateways = gateways
        values.run()
        let seconds = firstSecond..<clock.now().nanoseconds / 1_000_000_000
        var market = BrokerMarketAudit(
            feeds: feeds, market: BrokerMarket(broker.market, names: names, seconds),
            truth: truth, tape: onTape, seconds: seconds)
        market.run()
        let faults = counts.map { "\($0.key.rawValue) \($0.value)" }.sorted()
        return Findings(
            problems: values.problems + market.problems,
            summary: "seed \(seed), gateways \(gateways), epochs \(onTape.epochs.count)\n"
                + "  faults: \(faults.joined(separator: ", "))\n\(values.summary)",
            tape: onTape)
    }
}
