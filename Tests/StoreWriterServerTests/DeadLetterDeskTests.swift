import TapeTransport
import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Where dead letters go when something is away")
struct DeadLetterDeskTests {
    private func poison(_ scene: StoreScene) throws {
        try scene.psql("ALTER TABLE trade_rows ADD CONSTRAINT no_poison CHECK (price <> 666)")
    }

    @Test("NATS is away: into a file, and from there onto the stream when it is back")
    func file() throws {
        let nats = try NatsServer()
        let folder = try TemporaryFolder("letters")
        let scene = try StoreScene(
            "writer_dl1", nats: nats, ["WRITER_DEAD_LETTERS": folder.file("kept")])
        try poison(scene)
        nats.kill()
        #expect(eventually { !scene.client.connection.isConnected })
        try scene.write(scene.packets([1, 666, 3, 666]))
        #expect(try scene.books() == "1|4|2|2|0|0|0")
        #expect(scene.service.metric("mds_dead_letters_pending_files") == 1)
        #expect(scene.service.metric("mds_disk_free_bytes{folder=\"dead-letters\"}") ?? 0 > 0)
        #expect(scene.service.log.text.contains("dead_letters.filed"))
        #expect(scene.output.deliverFiles(scene.beat) != nil, "NATS is still away")
        let (kept, problems) = try DeadLetterFolder.read(folder.file("kept/letters-1.ndjson"))
        #expect(kept.map(\.place.ordinal) == [2, 4] && problems.isEmpty)

        try nats.start()
        #expect(eventually { scene.client.connection.isConnected })
        #expect(scene.output.deliverFiles(scene.beat) == nil)
        #expect(try scene.letters() == kept)
        #expect(scene.service.metric("mds_dead_letters_pending_files") == 0)
        #expect(scene.output.deliverFiles(scene.beat) == nil)
        #expect(try scene.letters().count == 2)
    }

    @Test(
        "neither NATS nor the folder: nothing is committed, and nothing lost",
        arguments: [true, false])
    func nowhere(hasFolder: Bool) throws {
        let nats = try NatsServer()
        let folder = try TemporaryFolder("letters")
        // A file in place of the folder.
        try folder.write("x", to: "kept")
        let scene = try StoreScene(
            "writer_dl2\(hasFolder)", nats: nats,
            hasFolder ? ["WRITER_DEAD_LETTERS": folder.file("kept")] : [:])
        try poison(scene)
        nats.kill()
        #expect(eventually { !scene.client.connection.isConnected })
        let batch = try scene.batch(scene.packets([1, 666, 3]))
        let error = try #require(scene.failure(batch))
        #expect(error.category == .retryable, "\(error)")
        #expect("\(error)".contains(hasFolder ? folder.file("kept") : "WRITER_DEAD_LETTERS"))
        try scene.expect("SELECT count(*) FROM trades", "0")
        #expect(try scene.books() == "")
        try nats.start()
        #expect(eventually { scene.client.connection.isConnected })
        try scene.write(batch)
        #expect(try scene.books() == "1|3|2|1|0|0|0")
        #expect(try scene.letters().count == 1)
    }

    @Test("a stream that is gone is made anew; one that is full leaves the letters to the file")
    func streams() throws {
        let folder = try TemporaryFolder("letters")
        let scene = try StoreScene("writer_dl3", ["WRITER_DEAD_LETTERS": folder.file("kept")])
        try poison(scene)
        let stream = scene.bench.tape.names.deadLetterStream
        func delete() throws {
            _ = try scene.client.connection.request(
                [], to: "$JS.API.STREAM.DELETE.\(stream)", timeout: patience)
        }
        try delete()
        try scene.write(scene.packets([666]))
        #expect(try scene.letters().count == 1)
        try delete()
        _ = try scene.client.jetStream.createStream(
            StreamConfiguration(
                name: stream, subjects: [scene.bench.tape.names.deadLetters], maxBytes: 64))
        try scene.write(scene.packets([666, 1]))
        #expect(try scene.letters().isEmpty)
        #expect(scene.service.metric("mds_dead_letters_pending_files") == 1)
        #expect(try scene.books() == "1|3|1|2|0|0|0")
        #expect(scene.output.ensureStream() == nil, "as somebody has made it, it serves")
        try delete()
        #expect(scene.output.ensureStream() == nil)
        #expect(scene.output.deliverFiles(scene.beat) == nil)
        #expect(try scene.letters().map(\.place.ordinal) == [2])
    }

    @Test("a COMMIT that failed leaves its letter, and the repeat is no second one")
    func repeated() throws {
        let scene = try StoreScene("writer_dl4")
        try poison(scene)
        let batch = try scene.batch(scene.packets([1, 666]))
        let other = try scene.bench.database.connectWriter()
        // A successor claims the partition during the batch.
        _ = try SinkPosition.claim(
            [SinkClaim(place: scene.place, epoch: 9, knownEpoch: nil)], of: "store",
            by: SinkOwner(name: "other"), on: other, timeout: patience)
        #expect(try #require(scene.failure(batch)).category == .fenced)
        #expect(try scene.letters().count == 1)
        try scene.expect("SELECT count(*) FROM trades", "0")
        #expect(
            scene.service.metric("mds_dead_letters_total{reason=\"data\",sink=\"trades\"}") == nil)
        try scene.claim()
        try scene.write(batch)
        #expect(try scene.letters().count == 1)
        #expect(try scene.books() == "1|2|1|1|0|0|0")
    }

    @Test("a file with lines that nobody can read is set aside, its letters are published")
    func damagedFile() throws {
        let folder = try TemporaryFolder("letters")
        let scene = try StoreScene("writer_dl5", ["WRITER_DEAD_LETTERS": folder.path])
        try poison(scene)
        try scene.write(scene.packets([666]))
        let letter = try #require(try scene.letters().first)
        try folder.write(
            String(decoding: letter.json, as: UTF8.self) + "\nno letter\n", to: "letters-1.ndjson")
        let problem = try #require(scene.output.deliverFiles(scene.beat))
        #expect(problem.contains("line 2 of") && problem.contains("set aside"))
        #expect(scene.output.deliverFiles(scene.beat) == nil)
        #expect(try scene.letters().count == 1, "it was there already")
    }

    private let day: Int64 = 86_400_000_000_000

    @Test(
        "a missing time partition is made, and it goes on; a time that may have none is a letter"
    )
    func partitions() throws {
        let scene = try StoreScene("writer_dl6")
        // No partition is made before 1990, or for times far ahead.
        for (price, days) in [(1, 0), (2, 1), (3, -1), (4, 40_000), (5, -12_500), (6, 1)]
            as [(Int64, Int64)]
        {
            scene.add(price: price * 1_000_000_000, at: StoreScene.time + days * day)
        }
        try scene.write([scene.seal()])
        try scene.expect(
            "SELECT string_agg(ordinal::text, ' ' ORDER BY ordinal) FROM trades", "1 2 3 6")
        let letters = try scene.letters()
        #expect(letters.map(\.place.ordinal) == [4, 5])
        #expect(letters.allSatisfy { $0.reason == .outOfRange && $0.refusal.sqlState == "23514" })
        try scene.expect("SELECT written, dead_lettered FROM sink_source_ordinals", "4|2")
        try scene.expect("SELECT count(*) FROM trade_rows_p20231113", "1", "the day before")
    }

    @Test("without the function that makes them it is a schema that does not fit")
    func noFunction() throws {
        let scene = try StoreScene("writer_dl7")
        try scene.psql("DROP FUNCTION make_time_partition(text, timestamptz)")
        scene.add(price: 1, at: StoreScene.time - day)
        let error = try #require(scene.failure(try scene.batch([scene.seal()])))
        #expect(error.category == .schema && error.ofDatabase?.sqlState?.rawValue == "42883")
        #expect(try scene.letters().isEmpty)
    }
}
