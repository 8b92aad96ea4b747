import Foundation
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeProtocol
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

/// After each row, a book on the tape equals the provider's, regardless of rows that were left out
/// before.
@Suite("Books that lose rows")
struct BookTests {
    /// A gateway with one instrument and its book.
    private final class Scene {
        let tape: TestTape
        let log = ScriptedProvider.Log()
        let gateway: TestGateway
        let running: RunningService
        var script = BookScript()
        private let channel: ProviderChannel

        init(
            _ tape: TestTape, _ environment: [String: String], canRestart: Bool = true,
            repeatedEvery nanoseconds: Int64 = RepeatedBooks.nanoseconds
        ) throws {
            self.tape = tape
            log.canRestart.withLock { $0 = canRestart }
            var gateway = try TestGateway.scripted(
                tape, ["scripted": log], [.named("AAPL", .depth)], environment)
            gateway.settings.delivery.bookNanoseconds = nanoseconds
            self.gateway = gateway
            running = try gateway.start()
            channel = try log.begun().channel
            send(script.beginAnew() + script.rows(40))
            try #require(try arrives(script.last))
        }

        func send(_ records: [ProviderRecord]) {
            channel.deliver(records, floor: script.lastTime)
        }

        func arrives(_ number: UInt64) throws -> Bool {
            try eventually { try BookOnTape(tape).rows.contains { $0.header.providerID == number } }
        }

        func metric(_ name: String, _ labels: String = "") -> Double? {
            running.service.metric("\(name){\(labels)source=\"feed\"}")
        }

        var leftOut: Double { metric("mds_gateway_left_out_ticks_total", "kind=\"depth\",") ?? 0 }

        /// Makes the policies act, and waits until at least `rows` more rows are left out.
        func press(rows: Int) throws {
            gateway.isLow.set(true)
            #expect(try eventually { try gateway.status["policies_act"] == .bool(true) })
            let before = leftOut
            send(script.rows(rows))
            #expect(eventually { leftOut >= before + Double(rows) })
        }

        func relieve() throws {
            gateway.isLow.set(false)
            #expect(try eventually { try gateway.status["policies_act"] == .bool(false) })
        }

        func hasLeftOut(_ rows: Double) -> Bool { eventually { leftOut >= rows } }

        func isAsked(times: Int) -> Bool { eventually { log.restarts.count >= times } }

        /// Expects that all rows are on the tape and correct, except those in gaps, and that there
        /// are `resets` resets.
        func audit(resets: Int) throws {
            #expect(try arrives(script.last))
            #expect(try running.stop() == .success)
            let found = try BookOnTape(tape)
            #expect(found.resets == resets)
            #expect(found.faults(script, behind: .undefined) == [])
            let standing = Set(found.rows.map(\.header.providerID))
            for number in 1...script.last where !standing.contains(number) {
                let time = script.times[number] ?? .undefined
                #expect(found.isInGap(time), "row \(number) is missing, and in no gap")
            }
        }
    }

    /// How often the book of a test is repeated.
    private static let repetition: Int64 = 30_000_000

    private func tape(_ namespace: String) throws -> TestTape {
        try TestTape(NatsServer.shared(), namespace: namespace)
    }

    @Test(
        "rows that a policy leaves out make the book void until the provider begins it anew",
        arguments: ["drop", "conflate"])
    func pressed(policy: String) throws {
        let scene = try Scene(tape("book\(policy)"), ["GATEWAY_POLICY_QUOTES": policy])
        try scene.press(rows: 60)
        try scene.relieve()
        #expect(scene.isAsked(times: 1))
        #expect(scene.log.restarts == [ScriptedProvider.Restarted(instrument: 0, kind: .depth)])
        // These rows edit a book that the tape does not have.
        let before = scene.leftOut
        scene.send(scene.script.rows(20))
        #expect(scene.hasLeftOut(before + 20))
        #expect(scene.metric("mds_gateway_books_void") == 1)
        scene.send(scene.script.beginAnew() + scene.script.rows(50))
        // The first reset, the gateway's own when rows were lost, and the one with which the book
        // begins again.
        try scene.audit(resets: 3)
        #expect(scene.log.restarts.count == 1)
        #expect(scene.metric("mds_gateway_books_voided_total") == 1)
    }

    @Test("a reset comes within the pressure, and rows behind it are left out")
    func resetPressed() throws {
        let scene = try Scene(tape("bookreset"), ["GATEWAY_POLICY_QUOTES": "drop"])
        try scene.press(rows: 30)
        scene.send(scene.script.beginAnew())
        try scene.press(rows: 30)
        try scene.relieve()
        #expect(scene.isAsked(times: 1))
        scene.send(scene.script.beginAnew() + scene.script.rows(50))
        #expect(try scene.arrives(scene.script.last))
        let resets = try BookOnTape(scene.tape).resets
        #expect((3...5).contains(resets))
        try scene.audit(resets: resets)
    }

    @Test("a reset that comes last within the pressure makes the book whole without a question")
    func resetLast() throws {
        let scene = try Scene(tape("booklast"), ["GATEWAY_POLICY_QUOTES": "drop"])
        try scene.press(rows: 30)
        var anew = scene.script.beginAnew()
        let reset = anew.removeFirst()
        scene.send([reset])
        #expect(eventually { scene.metric("mds_gateway_books_void") == 0 })
        try scene.relieve()
        scene.send(anew + scene.script.rows(50))
        #expect(try scene.arrives(scene.script.last))
        #expect(scene.log.restarts.isEmpty)
        let resets = try BookOnTape(scene.tape).resets
        #expect((2...3).contains(resets))
        try scene.audit(resets: resets)
    }

    @Test("a provider that cannot begin anew: the book stays void until it does so by itself")
    func cannot() throws {
        let scene = try Scene(
            tape("bookcannot"), ["GATEWAY_POLICY_QUOTES": "drop"], canRestart: false)
        try scene.press(rows: 30)
        try scene.relieve()
        #expect(scene.isAsked(times: 1))
        scene.running.expect("gateway.books_void")
        let before = scene.leftOut
        scene.send(scene.script.rows(20))
        #expect(scene.hasLeftOut(before + 20))
        scene.send(scene.script.beginAnew() + scene.script.rows(20))
        try scene.audit(resets: 3)
    }

    @Test("a row that is stamped ahead is for no tape, and the book is void without it")
    func ahead() throws {
        let scene = try Scene(tape("bookahead"), [:])
        scene.send(scene.script.rows(1, ahead: .seconds(3_600)))
        #expect(scene.isAsked(times: 1))
        scene.send(scene.script.rows(10))
        scene.send(scene.script.beginAnew() + scene.script.rows(50))
        #expect(try scene.arrives(scene.script.last))
        #expect(try scene.running.stop() == .success)
        let found = try BookOnTape(scene.tape)
        #expect(found.resets == 3 && found.faults(scene.script, behind: .undefined) == [])
    }

    @Test("a book is repeated whole between its rows, and not after a gap of it until a reset")
    func repeated() throws {
        let scene = try Scene(tape("bookrepeat"), [:], repeatedEvery: Self.repetition)
        for count in 1...3 {
            scene.send(scene.script.rows(30))
            #expect(try eventually { try BookOnTape(scene.tape).repetitions > count })
        }
        scene.send([scene.script.gap()] + scene.script.rows(1))
        #expect(try scene.arrives(scene.script.last))
        let before = try BookOnTape(scene.tape).repetitions
        let gap = scene.script.lastTime
        while scene.script.lastTime < gap.advanced(byNanoseconds: 4 * Self.repetition) {
            scene.send(scene.script.rows(1))
            #expect(try scene.arrives(scene.script.last))
        }
        #expect(try BookOnTape(scene.tape).repetitions == before)
        scene.send(scene.script.beginAnew())
        #expect(try eventually { try BookOnTape(scene.tape).repetitions > before })
        scene.send(scene.script.rows(20))
        try scene.audit(resets: 2)
    }

    @Test("rows in a spooled packet that a disk has damaged: behind its gap the book is right")
    func damaged() throws {
        let folder = try TemporaryFolder()
        let scene = try Scene(
            TestTape(try NatsServer(), namespace: "bookspool"),
            ["GATEWAY_SPOOL": folder.file("spool")])
        scene.gateway.group.pause()
        // A full lane goes into the spool, and from then on all new rows.
        scene.send(scene.script.rows(2_000))
        var spooled = 1_000.0
        for _ in 1...4 {
            #expect(eventually { scene.metric("mds_gateway_spool_ticks") ?? 0 > spooled })
            spooled = scene.metric("mds_gateway_spool_ticks") ?? 0
            scene.send(scene.script.rows(200))
        }
        try damage(folder.file("spool"))
        scene.gateway.group.resume()
        #expect(eventually { scene.running.log.count(of: "gateway.spool.damaged") >= 1 })
        #expect(scene.isAsked(times: 1))
        scene.send(scene.script.beginAnew() + scene.script.rows(50))
        #expect(try scene.arrives(scene.script.last))
        #expect(try scene.running.stop() == .success)
        let found = try BookOnTape(scene.tape)
        let end = try #require(found.gaps.map(\.to).max())
        #expect(found.resets == 3)
        #expect(found.faults(scene.script, behind: .undefined) != [], "nothing was damaged")
        #expect(found.faults(scene.script, behind: end) == [])
    }

    /// Damages one byte in the middle of the spool.
    private func damage(_ folder: String) throws {
        let frames = "\(folder)/feed/spool"
        let names = try FileManager.default.contentsOfDirectory(atPath: frames)
        let name = try #require(names.first { $0.hasSuffix(".frames") })
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: "\(frames)/\(name)"))
        defer { try? file.close() }
        let middle = try file.seekToEnd() / 2
        try file.seek(toOffset: middle)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: middle)
        try file.write(contentsOf: [byte ^ 1])
    }
}

/// The book of the source `feed`, as a reader of the tape gets it.
private struct BookOnTape {
    private let records: [TapeRecord]
    /// Gap records of all kinds.
    let gaps: [GapRecord]
    let rows: [DepthUpdate]

    init(_ tape: TestTape) throws {
        let found = try tape.records(of: try #require(SourceName("feed")))
        (records, gaps) = (found.map(\.record), found.compactMap(\.gap))
        rows = found.compactMap(\.depth)
    }

    /// The resets that are no repetitions.
    var resets: Int { reasons.count { $0 != DepthResetReason.repeated.rawValue } }
    var repetitions: Int { reasons.count - resets }

    private var reasons: [UInt8] {
        records.compactMap { if case .depthReset(let reset) = $0 { reset.reason } else { nil } }
    }

    func isInGap(_ time: Timestamp) -> Bool { gaps.contains { $0.from <= time && time < $0.to } }

    /// Returns the rows from `time` on after which the book differs from the provider's. Rows that
    /// are repeated make a book that the next row judges.
    func faults(_ script: BookScript, behind time: Timestamp) -> [UInt64] {
        var book = RowBook()
        var faults: [UInt64] = []
        for record in records {
            if case .depthReset = record { book = RowBook() }
            guard case .depth(let row) = record else { continue }
            let isApplied = book.apply(row)
            if row.flags.contains(.repeated), isApplied { continue }
            let isRight = isApplied && book == script.after[row.header.providerID]
            let isMeant = !time.isDefined || row.header.eventTime >= time
            if !isRight, isMeant { faults.append(row.header.providerID) }
        }
        return faults
    }
}
