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

    private func spooled(_ running: RunningService) -> Double {
        running.synthetic("mds_gateway_spool_ticks")
    }

    @Test("NATS away: ticks go into the spool, and from there onto the tape, none missing")
    func natsAway() throws {
        let server = try NatsServer()
        let folder = try TemporaryFolder()
        let tape = try TestTape(server, namespace: "spool1")
        let gateway = try TestGateway(tape, environment(folder))
        let running = try gateway.start()
        for turn in 1...2 {
            try tape.expectMore(1_000)
            server.kill()
            #expect(eventually { spooled(running) > 10_000 })
            #expect(running.log.count(of: "gateway.spool.begun") == turn)
            #expect(!running.hasEnded)
            try server.start()
            running.expect("gateway.spool.drained", turn)
            #expect(eventually { tape.client.connection.isConnected })
        }
        try tape.expectMore(1_000)
        #expect(try running.stop() == .success)
        try tape.expectRight(gateway.settings) { $0.gaps == 0 && $0.onTape > 20_000 }
        try tape.expectSound()
        #expect(running.service.metric("mds_gateway_spool_failures_total") == nil)
        #expect(running.synthetic("mds_gateway_spool_capacity_bytes") == 1_073_741_824)
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
        #expect(try eventually { try tape.ticks() >= 1_000 })
        first.group.pause()
        #expect(eventually { spooled(running) > 5_000 })
        let standing = try tape.ticks()
        #expect(try running.stop() == .success)
        #expect(try tape.ticks() == standing)

        let second = try TestGateway(tape, environment(folder))
        let again = try second.start(epoch: 2)
        again.expect("gateway.spool.drained")
        let drained = try tape.ticks()
        #expect(drained >= standing + 5_000)
        #expect(try eventually { try tape.ticks() >= drained + 1_000 })
        #expect(try again.stop() == .success)
        try tape.expectRight(second.settings) { $0.gaps > 0 }
        try tape.expectSound()
    }

    @Test("not sure of its source, it keeps what it takes in the spool, not in memory alone")
    func paused() throws {
        let tape = try TestTape(try NatsServer(), namespace: "spool6")
        let (folder, copy) = (try TemporaryFolder(), try TemporaryFolder())
        // The rate is so low that no packet is full for minutes.
        let gateway = try TestGateway(tape, environment(folder, rate: 200))
        let running = try gateway.start()
        #expect(try eventually { try tape.ticks() >= 100 })
        gateway.group.pause()
        running.expect("gateway.paused")
        running.expect("gateway.spool.begun")
        func received() -> Double {
            running.synthetic("mds_gateway_ticks_received_total")
        }
        let standing = Double(try tape.ticks())
        let taken = received()
        #expect(eventually { received() >= taken + 1_000 })
        let before = received()
        // All ticks except the newest.
        #expect(eventually { standing + spooled(running) >= before })
        // The files that a kill at this moment would leave.
        try FileManager.default.copyItem(atPath: folder.file("spool"), toPath: copy.file("spool"))
        let left = try Spool(
            Spool.Settings(
                folder: copy.file("spool"), source: source(), bytesMax: 1 << 30))
        #expect(standing + Double(left.opening.ticks) >= before)
        gateway.group.resume()
        running.expect("gateway.spool.drained")
        #expect(try running.stop() == .success)
        try tape.expectRight(gateway.settings) { $0.gaps == 0 }
    }

    @Test("fenced, it sets its spool aside; the successor's gap covers what is in it")
    func fenced() throws {
        let tape = try TestTape(try NatsServer(), namespace: "spool3")
        let folders = (try TemporaryFolder(), try TemporaryFolder())
        let old = try TestGateway(tape, environment(folders.0))
        let first = try old.start()
        #expect(try eventually { try tape.ticks() >= 1_000 })
        old.group.pause()
        #expect(eventually { spooled(first) > 5_000 })
        let new = try TestGateway(tape, environment(folders.1))
        let second = try new.start(epoch: 2)
        old.group.resume()
        first.expect("gateway.spool.set_aside")
        first.expect("gateway.taken_over")
        #expect(first.synthetic("mds_gateway_spool_aside_ticks_total") > 5_000)
        let aside = try FileManager.default.contentsOfDirectory(
            atPath: "\(folders.0.file("spool"))/aside")
        #expect(aside.count == 1)
        try tape.expectMore(1_000)
        for each in [first, second] { #expect(try each.stop() == .success) }
        try tape.expectRight(new.settings) { $0.inGaps > 5_000 }
    }

    /// A tape with the folder of a spool, which another owner has followed.
    private func followed(_ namespace: String) throws -> (tape: TestTape, folder: TemporaryFolder) {
        let tape = try TestTape(try NatsServer(), namespace: namespace)
        let folder = try TemporaryFolder()
        try leaveSpool(tape, folder, ticks: 2_000)
        let other = try TestGateway(tape, ["SYNTHETIC_RATE": "5000", "SYNTHETIC_MISSED": "lost"])
        #expect(try other.start(epoch: 2).stop() == .success)
        return (tape, folder)
    }

    @Test("a spool that another owner has followed is set aside at the next start")
    func foreign() throws {
        let (tape, folder) = try followed("spool4")
        let again = try TestGateway(tape, environment(folder))
        let last = try again.start(epoch: 3)
        last.expect("gateway.spool.set_aside")
        try tape.expectMore(500)
        #expect(try last.stop() == .success)
        try tape.expectRight(again.settings) { $0.inGaps > 2_000 }
    }

    @Test("a foreign spool that the disk keeps from being set aside is not published either")
    func notSetAside() throws {
        let (tape, folder) = try followed("spoolstuck")
        let standing = try tape.ticks()
        // A file has the name of the folder that is needed.
        let aside = "\(folder.file("spool"))/aside"
        try Data().write(to: URL(fileURLWithPath: aside))
        let again = try TestGateway(tape, environment(folder))
        again.group.take(epoch: 3)
        let last = try again.standBy()
        #expect(eventually { last.log.count(of: "gateway.spool.failed") >= 2 })
        #expect(try tape.ticks() == standing && last.log.count(of: "gateway.started") == 0)
        try FileManager.default.removeItem(atPath: aside)
        last.expect("gateway.started")
        #expect(last.log.count(of: "gateway.spool.set_aside") == 1)
        #expect(try last.stop() == .success)
        try tape.expectRight(again.settings) { $0.inGaps > 2_000 }
    }

    @Test("the process killed while NATS is away: what it had spooled is on the tape in the end")
    func killed() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "spool5")
        let folder = try TemporaryFolder()
        let settings = try TestGateway(tape, environment(folder)).settings
        var environment = tape.environment.merging(environment(folder)) { $1 }
        environment.merge(["MDS_MEMBER": "one", "OPS_PORT": "0", "LOG_FORMAT": "json"]) { $1 }
        func start(_ log: String) throws -> ServerProcess {
            try ServerProcess(
                ProductPrograms.path("provider-gateway"), [], environment: environment,
                logPath: folder.file(log))
        }
        let first = try start("first.log")
        #expect(try eventually { try tape.ticks() >= 2_000 }, "\(first.log)")
        let standing = try tape.ticks()
        server.kill()
        let frames = "\(folder.file("spool"))/synthetic/spool"
        #expect(eventually { bytes(frames) > 1_000_000 }, "\(first.log)")
        #expect(first.stop(SIGKILL) == SIGKILL)
        try server.start()
        #expect(eventually { tape.client.connection.isConnected })
        let second = try start("second.log")
        #expect(eventually { second.log.contains("gateway.started") }, "\(second.log)")
        #expect(second.log.contains("gateway.spool.drained"), "\(second.log)")
        let drained = try tape.ticks()
        #expect(drained > standing + 8_000)
        #expect(try eventually { try tape.ticks() >= drained + 1_000 })
        #expect(second.stop() == 0, "\(second.log)")
        try tape.expectRight(settings) { $0.gaps > 0 }
        try tape.expectSound()
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
        try tape.expectMore(500)
        #expect(try last.stop() == .success)
        try tape.expectRight(again.settings) { $0.inGaps > 0 }
        try tape.expectSound()
    }

    /// Lets a gateway lose its group while it works, so that it ends with more than `ticks` ticks
    /// in its spool.
    private func leaveSpool(_ tape: TestTape, _ folder: TemporaryFolder, ticks: Double) throws {
        var gateway = try TestGateway(tape, environment(folder))
        gateway.settings.drainNanoseconds = 100_000_000
        let running = try gateway.start()
        #expect(try eventually { try tape.ticks() >= 500 })
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
