import Foundation
import TestSupport
import Testing

@testable import StoreWriter

@Suite("The memory of a store writer")
struct WriterMemoryTests {
    private static let partitions = 32
    private static let packetTicks = 1_000

    @Test("a long way behind and with a database that stands still, it keeps within its bound")
    func stall() throws {
        let server = try PostgresServer()
        let bench = try WriterBench(
            "writer_mem", nats: NatsServer(), server: server, partitions: Self.partitions)
        try bench.makeOwners()
        var ticks = try TestTicks(bench, partitions: Self.partitions)
        try ticks.publish(packets: 8, of: Self.packetTicks)
        // `TEST_STORE_WRITER` names another build of the program.
        let writer = try WriterProcess(
            bench, program: ProcessInfo.processInfo.environment["TEST_STORE_WRITER"])
        ticks.expectStored("\(writer.log)")
        let moving = try writer.residentPeakMiB()
        server.pause()
        let before = writer.log.utf8.count
        try ticks.publish(packets: 8, of: Self.packetTicks)
        // Each worker waits for the database, with a full queue and held readers.
        #expect(
            eventually {
                let said = String(decoding: writer.log.utf8.dropFirst(before), as: UTF8.self)
                return said.components(separatedBy: "\"writer.queue.high\"").count > 4
            }, "\(writer.log)")
        let stalled = try writer.residentPeakMiB()
        server.resume()
        ticks.expectStored()
        let after = try writer.residentPeakMiB()
        print("peak in MiB: moving \(moving), stalled \(stalled), after it \(after)")
        // Whatever the tape holds.
        #expect(after < FaultBench.residentMiBMax)
        #expect(writer.stop() == 0)
        #expect(try bench.missing() == "0")
    }
}
