import Foundation
import NatsTransport
import Primitives
import ServiceTestSupport
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

/// Two gateways of one source, as processes: the group decides which of them is active.
@Suite("An active gateway and its standby")
struct StandbyTests {
    private static let kills = 20

    @Test(
        "killed 20 times, and NATS once: every tick of the source is on the tape, or in a gap",
        arguments: [UInt64.random(in: 1_000...999_999)])
    func killed(seed: UInt64) throws {
        print("active gateways killed: seed \(seed)")
        var random = SeededRandom(seed: seed)
        let tape = try TestTape(try NatsServer(syncInterval: "always"), namespace: "standby")
        let settings = try TestGateway(tape, Self.market).settings
        let folder = try TemporaryFolder()
        var gateways = try ["one", "two"].map { try Gateway($0, tape, folder) }
        for turn in 0..<Self.kills {
            let active = try #require(Self.active(gateways), "\(gateways.map(\.process.log))")
            let standing = try tape.tickCount(source: settings.source)
            let wanted = standing + random.next() % 400
            #expect(try eventually { try tape.tickCount(source: settings.source) >= wanted })
            #expect(gateways[active].process.stop(SIGKILL) == SIGKILL)
            if turn == Self.kills / 2 {
                tape.server.kill()
                try tape.server.start()
                #expect(eventually { tape.client.connection.isConnected })
            }
            // It returns as the standby of the other one, which is about to notice the loss.
            gateways[active] = try Gateway(gateways[active].name, tape, folder)
        }
        let last = try #require(Self.active(gateways), "\(gateways.map(\.process.log))")
        let standing = try tape.tickCount(source: settings.source)
        #expect(try eventually { try tape.tickCount(source: settings.source) >= standing + 500 })
        // End the standby first, so that it does not take over at the end.
        for index in [1 - last, last] {
            gateways[index].process.signal(SIGTERM)
            #expect(gateways[index].process.waitUntilExit() == 0, "\(gateways[index].process.log)")
        }
        let report = try TapeAudit.report(tape, settings)
        print("of the source: \(report)")
        #expect(report.isRight && report.onTape > 4_000 && report.gaps > 0, "\(report)")
        try tape.expectSound()
    }

    private static let market = ["SYNTHETIC_RATE": "2000", "SYNTHETIC_MISSED": "lost"]

    private struct Gateway {
        let name: String
        let process: ServerProcess
        let port: UInt16

        init(_ name: String, _ tape: TestTape, _ folder: TemporaryFolder) throws {
            self.name = name
            port = freePort()
            process = try ServerProcess(
                ProductPrograms.path("provider-gateway"), [],
                environment: tape.environment.merging(StandbyTests.market) { $1 }.merging([
                    "MDS_MEMBER": name, "OPS_PORT": "\(port)", "LOG_FORMAT": "json",
                    "GATEWAY_SPOOL": folder.file("spool-\(name)"),
                ]) { $1 }, logPath: folder.file("\(name)-\(UUID().uuidString).log"))
        }

        /// Whether the gateway is active according to its log.
        var isActive: Bool {
            let log = process.log
            guard let started = log.range(of: #""gateway.started""#, options: .backwards) else {
                return false
            }
            let end = log.range(of: #""gateway.standby""#, options: .backwards)
            return end.map { $0.lowerBound < started.lowerBound } ?? true
        }
    }

    /// Returns the index of the active gateway; waits until there is one.
    private static func active(_ gateways: [Gateway]) -> Int? {
        var found: Int?
        _ = eventually {
            found = gateways.firstIndex(where: \.isActive)
            return found != nil
        }
        return found
    }
}
