import Foundation
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

/// A gateway with a spool, and records that are neither on the tape nor in the spool at the end.
@Suite("What is lost beside a spool")
struct SpoolLossTests {
    /// The provider of the tenure after the damage.
    enum Next: CaseIterable { case urgent, waiting, learning }

    private func gateway(
        _ tape: TestTape, _ folder: TemporaryFolder, _ log: ScriptedProvider.Log,
        isLearning: Bool = false
    ) throws -> TestGateway {
        try TestGateway.scripted(
            tape, ["one": log], isLearning ? [] : [.named("SPY")],
            ["GATEWAY_SPOOL": folder.file("spool")])
    }

    private func gaps(_ tape: TestTape) throws -> [GapRecord] {
        try tape.records(of: try #require(SourceName("feed"))).compactMap(\.gap)
    }

    /// The path of the spool's only file of frames.
    private func frames(_ folder: TemporaryFolder) throws -> URL {
        let path = "\(folder.file("spool"))/feed/spool"
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        let name = try #require(names.first { $0.hasSuffix(".frames") })
        return URL(fileURLWithPath: "\(path)/\(name)")
    }

    @Test(
        "a damaged frame of an earlier tenure is a gap, whatever the next tenure's provider is",
        arguments: Next.allCases)
    func damaged(next: Next) throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "spool_\(next)")
        let folder = try TemporaryFolder()
        let log = ScriptedProvider.Log()
        var first = try gateway(tape, folder, log)
        first.settings.drainNanoseconds = 100_000_000
        let running = try first.start()
        let channel = try log.begun().channel
        first.group.pause()
        let time = SystemClock().now()
        let spooled = "mds_gateway_spooled_ticks_total{source=\"feed\"}"
        var firstFrame = 0
        // Two frames: a spool that is opened cuts off a last frame that cannot be read.
        for count in 1...2 {
            let tick = count == 1 ? time : SystemClock().now()
            channel.deliver([.trade(at: tick)], floor: tick)
            #expect(eventually { running.service.metric(spooled) == Double(count) })
            if count == 1 { firstFrame = try Data(contentsOf: frames(folder)).count }
        }
        #expect(try running.stop() == .success)
        var content = try Data(contentsOf: frames(folder))
        #expect(content.count > firstFrame)
        content[firstFrame - 1] ^= 1
        try content.write(to: frames(folder))

        log.isUrgent.withLock { $0 = next == .urgent }
        let second = try gateway(tape, folder, log, isLearning: next == .learning)
        second.group.take(epoch: 2)
        let again = try second.standBy()
        #expect(eventually { again.log.count(of: "gateway.spool.damaged") == 1 })
        let began = try log.begun(2)
        if next == .learning {
            _ = began.order.registry.follow([try .named("SPY")])
            began.channel.deliver([.trade(at: SystemClock().now())], floor: .undefined)
        }
        #expect(try eventually { try !gaps(tape).isEmpty })
        #expect(try again.stop() == .success)
        let gap = try #require(try gaps(tape).first)
        #expect(gap.reason == GapReason.dropped.rawValue && gap.kind == DataKind.any.rawValue)
        #expect(gap.from == time && gap.to > time)
    }

    @Test("records that came after the last turn are given up, counted, and in the exit code")
    func waiting() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "spoolleft")
        let folder = try TemporaryFolder()
        let log = ScriptedProvider.Log()
        var gateway = try gateway(tape, folder, log)
        gateway.settings.drainNanoseconds = 0
        let (group, hasSent) = (gateway.group, TestGateway.Flag())
        // On the gateway's own thread: it takes nothing between this and the end of the tenure.
        gateway.onHeadroom = {
            guard !hasSent.isSet, let channel = log.starts.first?.channel else { return }
            hasSent.set(true)
            let ticks = (0..<2).map { _ in ProviderRecord.trade(at: SystemClock().now()) }
            channel.deliver(ticks, floor: .undefined)
            group.release()
        }
        let running = try gateway.start()
        #expect(eventually { running.log.count(of: "gateway.drained") == 1 })
        #expect(running.service.metric("mds_gateway_unpublished_ticks_total") == 2)
        #expect(try running.stop() == .temporary)
    }
}
