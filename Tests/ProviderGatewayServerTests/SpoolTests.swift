import Foundation
import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing
import TickSpool

@testable import ProviderGateway

/// A provider that does not wait, and a tape that accepts nothing for a while.
@Suite("The gateway with a spool")
struct SpoolTests {
    private func source() throws -> SourceName { try #require(SourceName("synthetic")) }

    private func environment(_ folder: TemporaryFolder, rate: Int = 5_000) -> [String: String] {
        [
            "SYNTHETIC_RATE": String(rate), "SYNTHETIC_MISSED": "lost",
            "GATEWAY_SPOOL": folder.file("spool"),
        ]
    }

    private func count(_ tape: TestTape) throws -> UInt64 {
        try tape.tickCount(source: source())
    }

    private func spooled(_ running: RunningService) -> Double {
        running.service.metric("mds_gateway_spool_ticks{source=\"synthetic\"}") ?? 0
    }

    @Test("NATS away: ticks go into the spool, and from there onto the tape, none missing")
    func natsAway() throws {
        let server = try NatsServer()
        let folder = try TemporaryFolder()
        let tape = try TestTape(server, namespace: "spool1")
        let gateway = try TestGateway(tape, environment(folder))
        let running = try gateway.start()
        for turn in 1...2 {
            let standing = try count(tape)
            #expect(try eventually { try count(tape) >= standing + 1_000 })
            server.kill()
            #expect(eventually { spooled(running) > 10_000 })
            #expect(running.log.count(of: "gateway.spool.begun") == turn)
            #expect(!running.hasEnded)
            try server.start()
            #expect(
                eventually {
                    running.log.count(of: "gateway.spool.drained") == turn
                })
            #expect(eventually { tape.client.connection.isConnected })
        }
        let standing = try count(tape)
        #expect(try eventually { try count(tape) >= standing + 1_000 })
        #expect(try running.stop() == .success)
        let report = try TapeAudit.report(tape, gateway.settings)
        #expect(report.isRight && report.gaps == 0 && report.onTape > 20_000, "\(report)")
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
        #expect(running.service.metric("mds_gateway_spool_failures_total") == nil)
        let capacity = "mds_gateway_spool_capacity_bytes{source=\"synthetic\"}"
        #expect(running.service.metric(capacity) == 1_073_741_824)
        let free = try #require(running.service.metric("mds_disk_free_bytes{folder=\"spool\"}"))
        #expect(free > 0)
    }

    @Test("stopped while the tape takes nothing, it keeps the spool; the next start publishes it")
    func restart() throws {
        let tape = try TestTape(try NatsServer(), namespace: "spool2")
        let folder = try TemporaryFolder()
        var first = try TestGateway(tape, environment(folder))
        first.settings.drainNanoseconds = 300_000_000
        let running = try first.start()
        #expect(try eventually { try count(tape) >= 1_000 })
        first.group.pause()
        #expect(eventually { spooled(running) > 5_000 })
        let standing = try count(tape)
        #expect(try running.stop() == .success)
        #expect(try count(tape) == standing)

        let second = try TestGateway(tape, environment(folder))
        second.group.take(epoch: 2)
        let again = try second.standBy()
        #expect(eventually { again.log.count(of: "gateway.spool.drained") == 1 })
        #expect(eventually { again.log.count(of: "gateway.started") == 1 })
        let drained = try count(tape)
        #expect(drained >= standing + 5_000)
        #expect(try eventually { try count(tape) >= drained + 1_000 })
        #expect(try again.stop() == .success)
        let report = try TapeAudit.report(tape, second.settings)
        #expect(report.isRight && report.gaps > 0, "\(report)")
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
    }

    @Test("not sure of its source, it keeps what it takes in the spool, not in memory alone")
    func paused() throws {
        let tape = try TestTape(try NatsServer(), namespace: "spool6")
        let (folder, copy) = (try TemporaryFolder(), try TemporaryFolder())
        // The rate is so low that no packet is full for minutes.
        let gateway = try TestGateway(tape, environment(folder, rate: 200))
        let running = try gateway.start()
        #expect(try eventually { try count(tape) >= 100 })
        gateway.group.pause()
        #expect(eventually { running.log.count(of: "gateway.paused") == 1 })
        #expect(eventually { running.log.count(of: "gateway.spool.begun") == 1 })
        func received() -> Double {
            running.service.metric("mds_gateway_ticks_received_total{source=\"synthetic\"}") ?? 0
        }
        let standing = Double(try count(tape))
        let taken = received()
        #expect(eventually { received() >= taken + 1_000 })
        let before = received()
        // All ticks except the newest.
        #expect(eventually { standing + spooled(running) >= before })
        // The files that a kill at this moment would leave.
        try FileManager.default.copyItem(
            atPath: folder.file("spool"), toPath: copy.file("spool"))
        let left = try Spool(
            Spool.Settings(
                folder: copy.file("spool"), source: source(), bytesMax: 1 << 30))
        #expect(standing + Double(left.opening.ticks) >= before)
        gateway.group.goOn()
        #expect(eventually { running.log.count(of: "gateway.spool.drained") == 1 })
        #expect(try running.stop() == .success)
        let report = try TapeAudit.report(tape, gateway.settings)
        #expect(report.isRight && report.gaps == 0, "\(report)")
    }

    @Test("fenced, it sets its spool aside; the successor's gap covers what is in it")
    func fenced() throws {
        let tape = try TestTape(try NatsServer(), namespace: "spool3")
        let folders = (try TemporaryFolder(), try TemporaryFolder())
        let old = try TestGateway(tape, environment(folders.0))
        let first = try old.start()
        #expect(try eventually { try count(tape) >= 1_000 })
        old.group.pause()
        #expect(eventually { spooled(first) > 5_000 })
        let new = try TestGateway(tape, environment(folders.1))
        new.group.take(epoch: 2)
        let second = try new.standBy()
        #expect(eventually { second.log.count(of: "gateway.started") == 1 })
        old.group.goOn()
        #expect(eventually { first.log.count(of: "gateway.spool.set_aside") == 1 })
        #expect(eventually { first.log.count(of: "gateway.taken_over") == 1 })
        #expect(
            (first.service.metric(
                "mds_gateway_spool_aside_ticks_total{source=\"synthetic\"}") ?? 0) > 5_000)
        let aside = try FileManager.default.contentsOfDirectory(
            atPath: "\(folders.0.file("spool"))/aside")
        #expect(aside.count == 1)
        let standing = try count(tape)
        #expect(try eventually { try count(tape) >= standing + 1_000 })
        for each in [first, second] { #expect(try each.stop() == .success) }
        let report = try TapeAudit.report(tape, new.settings)
        #expect(report.isRight && report.inGaps > 5_000, "\(report)")
    }

    @Test("a spool that another owner has followed is set aside at the next start")
    func foreign() throws {
        let tape = try TestTape(try NatsServer(), namespace: "spool4")
        let folder = try TemporaryFolder()
        try leaveSpool(tape, folder, ticks: 2_000)
        let other = try TestGateway(
            tape, ["SYNTHETIC_RATE": "5000", "SYNTHETIC_MISSED": "lost"])
        other.group.take(epoch: 2)
        let between = try other.standBy()
        #expect(eventually { between.log.count(of: "gateway.started") == 1 })
        #expect(try between.stop() == .success)
        let again = try TestGateway(tape, environment(folder))
        again.group.take(epoch: 3)
        let last = try again.standBy()
        #expect(eventually { last.log.count(of: "gateway.started") == 1 })
        #expect(eventually { last.log.count(of: "gateway.spool.set_aside") == 1 })
        let standing = try count(tape)
        #expect(try eventually { try count(tape) >= standing + 500 })
        #expect(try last.stop() == .success)
        let report = try TapeAudit.report(tape, again.settings)
        #expect(report.isRight && report.inGaps > 2_000, "\(report)")
    }

    @Test("a foreign spool that the disk keeps from being set aside is not published either")
    func notSetAside() throws {
        let tape = try TestTape(try NatsServer(), namespace: "spoolstuck")
        let folder = try TemporaryFolder()
        try leaveSpool(tape, folder, ticks: 2_000)
        let other = try TestGateway(
            tape, ["SYNTHETIC_RATE": "5000", "SYNTHETIC_MISSED": "lost"])
        other.group.take(epoch: 2)
        let between = try other.standBy()
        #expect(eventually { between.log.count(of: "gateway.started") == 1 })
        #expect(try between.stop() == .success)
        let standing = try count(tape)
        // A file has the name of the folder that is needed.
        let aside = "\(folder.file("spool"))/aside"
        try Data().write(to: URL(fileURLWithPath: aside))
        let again = try TestGateway(tape, environment(folder))
        again.group.take(epoch: 3)
        let last = try again.standBy()
        #expect(eventually { last.log.count(of: "gateway.spool.failed") >= 2 })
        #expect(try count(tape) == standing && last.log.count(of: "gateway.started") == 0)
        try FileManager.default.removeItem(atPath: aside)
        #expect(eventually { last.log.count(of: "gateway.started") == 1 })
        #expect(last.log.count(of: "gateway.spool.set_aside") == 1)
        #expect(try last.stop() == .success)
        let report = try TapeAudit.report(tape, again.settings)
        #expect(report.isRight && report.inGaps > 2_000, "\(report)")
    }

    @Test("the process killed while NATS is away: what it had spooled is on the tape in the end")
    func killed() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "spool5")
        let folder = try TemporaryFolder()
        let settings = try TestGateway(tape, environment(folder)).settings
        var environment = tape.environment.merging(environment(folder)) { $1 }
        environment.merge([
            "MDS_MEMBER": "one", "OPS_PORT": "0", "LOG_FORMAT": "json",
        ]) { $1 }
        func start(_ log: String) throws -> ServerProcess {
            try ServerProcess(
                ProductPrograms.path("provider-gateway"), [], environment: environment,
                logPath: folder.file(log))
        }
        let first = try start("first.log")
        #expect(try eventually { try count(tape) >= 2_000 }, "\(first.log)")
        let standing = try count(tape)
        server.kill()
        let frames = "\(folder.file("spool"))/synthetic/spool"
        #expect(eventually { bytes(frames) > 1_000_000 }, "\(first.log)")
        #expect(first.stop(SIGKILL) == SIGKILL)
        try server.start()
        #expect(eventually { tape.client.connection.isConnected })
        let second = try start("second.log")
        #expect(
            eventually { second.log.contains("gateway.started") }, "\(second.log)")
        #expect(second.log.contains("gateway.spool.drained"), "\(second.log)")
        let drained = try count(tape)
        #expect(drained > standing + 8_000)
        #expect(try eventually { try count(tape) >= drained + 1_000 })
        #expect(second.stop() == 0, "\(second.log)")
        let report = try TapeAudit.report(tape, settings)
        #expect(report.isRight && report.gaps > 0, "\(report)")
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
    }

    @Test("spooled packets that a disk has damaged are inside of gaps, and the rest comes out")
    func damaged() throws {
        let tape = try TestTape(try NatsServer(), namespace: "spooldamage")
        let folder = try TemporaryFolder()
        try leaveSpool(tape, folder, ticks: 5_000)
        let frames = "\(folder.file("spool"))/synthetic/spool"
        let names = try FileManager.default.contentsOfDirectory(atPath: frames)
        let path = "\(frames)/\(try #require(names.first { $0.hasSuffix(".frames") }))"
        var content = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        // Damage one byte in a packet, whose frame keeps its header, and a range of headers and
        // packets.
        content[300] ^= 1
        let middle = content.count / 2
        for place in middle..<min(content.count, middle + 3_000) { content[place] = 0xa5 }
        try Data(content).write(to: URL(fileURLWithPath: path))

        let again = try TestGateway(tape, environment(folder))
        again.group.take(epoch: 2)
        let last = try again.standBy()
        #expect(eventually { last.log.count(of: "gateway.spool.drained") >= 1 })
        #expect(last.log.count(of: "gateway.spool.damaged") >= 2)
        let standing = try count(tape)
        #expect(try eventually { try count(tape) >= standing + 500 })
        #expect(try last.stop() == .success)
        let report = try TapeAudit.report(tape, again.settings)
        #expect(report.isRight && report.inGaps > 0, "\(report)")
        let found = try SourceOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems.prefix(5))")
    }

    /// Lets a gateway lose its group while it works, so that it ends with more than `ticks` ticks
    /// in its spool.
    private func leaveSpool(_ tape: TestTape, _ folder: TemporaryFolder, ticks: Double) throws {
        var gateway = try TestGateway(tape, environment(folder))
        gateway.settings.drainNanoseconds = 100_000_000
        let running = try gateway.start()
        #expect(try eventually { try count(tape) >= 500 })
        gateway.group.pause()
        #expect(eventually { spooled(running) > ticks })
        #expect(try running.stop() == .success)
    }

    private func bytes(_ folder: String) -> Int {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            return 0
        }
        return names.filter { $0.hasSuffix(".frames") }.reduce(0) { sum, name in
            let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
            return sum + (attributes?[.size] as? Int ?? 0)
        }
    }
}
