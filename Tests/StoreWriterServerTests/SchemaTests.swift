import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TestSupport
import Testing

@testable import StoreWriter

@Suite("What the schema promises")
struct SchemaTests {
    private func position(
        _ partition: Int, epoch: Int64, sequence: Int64, input: String = "ticks",
        sources: String = "[]"
    ) -> String {
        """
        {"input": "\(input)", "partition": \(partition), "owner_epoch": \(epoch),
         "stream_created_ns": 1721000000123456789, "sequence": \(sequence), "packet_epoch": 3,
         "packet_ordinal": 17, "packet_crc": -9223372036854775808, "sources": \(sources)}
        """
    }

    private func advance(_ positions: String...) -> String {
        "SELECT advance_positions('store', '[\(positions.joined(separator: ","))]'); COMMIT"
    }

    private func claim(
        _ connection: PostgresConnection, _ partition: Int, input: String = "ticks",
        epoch: Int64 = 0
    ) throws(PostgresError) -> PostgresResult {
        try connection.execute(
            "SELECT * FROM claim_position('store', $1, $2, $3, 'me')",
            [.text(input), .text("\(partition)"), .integer(epoch)])
    }

    @Test("a claim raises the epoch, at least to the one asked for, and returns the position")
    func claims() throws {
        let database = try TestDatabase.migrated("schema_claims")
        let writer = try database.connectWriter()
        let fresh = try claim(writer, 7)
        #expect(
            fresh.columns == [
                "owner_epoch", "stream_created_ns", "sequence", "packet_epoch", "packet_ordinal",
                "packet_crc", "sources", "tape_time_ns", "apart",
            ])
        #expect((0..<7).map { fresh[0, $0] } == ["1", nil, "0", nil, nil, nil, "[]"])
        #expect(try claim(writer, 7).integer(0, 0) == 2)
        #expect(try claim(writer, 7, epoch: 40).integer(0, 0) == 40)
        #expect(try claim(writer, 7, epoch: 12).integer(0, 0) == 41)
        #expect(try claim(writer, 8).integer(0, 0) == 1)
        #expect(try claim(writer, 7, input: "bars").integer(0, 0) == 1)
        #expect(
            sessionFailure { () throws(PostgresError) in _ = try claim(writer, 7, input: "other") }?
                .category == .data)

        let sources = """
            [{"source": "synthetic", "first_ordinal": 1, "last_ordinal": 90, "written": 80,
              "dead_lettered": 4, "skipped": 6}, {"source": "ib", "first_ordinal": 5,
              "last_ordinal": 9, "written": 4}]
            """
        try writer.script("BEGIN")
        try writer.script(advance(position(7, epoch: 41, sequence: 100, sources: sources)))
        let again = try claim(writer, 7)
        #expect(
            (0..<6).map { again[0, $0] } == [
                "42", "1721000000123456789", "100", "3", "17", "-9223372036854775808",
            ])
        #expect(again[0, 6]?.contains("\"source\": \"synthetic\"") == true)
        #expect(again[0, 6]?.contains("\"last_ordinal\": 90") == true)
        try database.expect(
            "SELECT source, missing FROM sink_audit ORDER BY 1", "ib|1\nsynthetic|0")
    }

    /// Writes one trade of partition 0 in a transaction that stays open.
    private func write(
        _ connection: PostgresConnection, _ ordinal: Int64
    ) throws(PostgresError) {
        try connection.script("BEGIN")
        try connection.copyIn(
            """
            COPY trades (ts, event_time_ns, symbol, price, receive_time, receive_time_ns,
                source, partition, epoch, ordinal) FROM STDIN (FORMAT binary)
            """, timeout: patience
        ) { (writer) throws(PostgresError) in
            try writer.row(columns: 10)
            writer.timestamptz(.init(nanoseconds: 1_721_000_000_123_456_789))
            writer.int64(1_721_000_000_123_456_789)
            writer.text("AAPL")
            writer.numeric(123_450_000_000, scale: 9)
            writer.timestamptz(.init(nanoseconds: 1_721_000_000_123_456_790))
            writer.int64(1_721_000_000_123_456_790)
            writer.text("synthetic")
            writer.int32(0)
            writer.int64(3)
            writer.int64(ordinal)
        }
    }

    @Test("rows and positions are committed together; a fenced writer commits neither")
    func fencing() throws {
        let database = try TestDatabase.migrated("schema_fencing", timescale: true)
        let old = try database.connectWriter()
        let new = try database.connectWriter()
        for partition in 0..<3 { _ = try claim(old, partition) }

        try write(old, 1)
        try old.script(
            advance(
                position(0, epoch: 1, sequence: 5), position(1, epoch: 1, sequence: 5),
                position(2, epoch: 1, sequence: 5)))
        // The successor claims two of the three while the old writer's rows are on their way.
        try write(old, 2)
        #expect(try claim(new, 2).integer(0, 2) == 5)
        #expect(try claim(new, 1).integer(0, 0) == 2)
        let error = sessionFailure { () throws(PostgresError) in
            try old.script(
                advance(
                    position(2, epoch: 1, sequence: 9), position(0, epoch: 1, sequence: 9),
                    position(1, epoch: 1, sequence: 9)))
        }
        #expect(error?.category == .fenced)
        #expect(
            error?.serverError?.message.hasPrefix("fenced: another owner has taken over 2") == true)
        // The detail names all of them, so that the rest can be written immediately.
        #expect(
            error?.serverError?.detail == """
                [{"input": "ticks", "owner": "me", "partition": 1, "owner_epoch": 2}, \
                {"input": "ticks", "owner": "me", "partition": 2, "owner_epoch": 2}]
                """)
        try old.script("ROLLBACK")
        try database.expect(
            "SELECT partition, sequence FROM sink_positions ORDER BY 1", "0|5\n1|5\n2|5")
        try database.expect("SELECT ordinal, price FROM trades", "1|123.45")
        try write(old, 2)
        try old.script(advance(position(0, epoch: 1, sequence: 9)))
        try database.expect(
            "SELECT rows, ordinals, first_ordinal, last_ordinal FROM stored_ticks", "2|2|1|2")
    }

    @Test("an advance that waits for a successor's claim sees the claim, and is fenced")
    func waitingAdvance() throws {
        let database = try TestDatabase.migrated("schema_waiting")
        let old = try database.connectWriter()
        let new = try database.connectWriter()
        for partition in 0..<3 { _ = try claim(old, partition) }
        try new.script("BEGIN")
        #expect(try claim(new, 1).integer(0, 0) == 2)
        let call = advance(
            position(2, epoch: 1, sequence: 5), position(1, epoch: 1, sequence: 5),
            position(0, epoch: 1, sequence: 5))
        let outcome = Mutex<PostgresError?>(nil)
        let advancing = try ServiceThread(name: "advances") {
            do throws(PostgresError) {
                try old.script("BEGIN; " + call)
            } catch {
                outcome.withLock { $0 = error }
            }
        }
        let waiting = """
            SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND query LIKE '%advance_positions%'
                AND datname = current_database() AND pid <> pg_backend_pid()
            """
        try database.expectSoon(waiting, "1")
        try new.script("COMMIT")
        #expect(advancing.join(timeout: patience))
        let error = outcome.withLock { $0 }
        #expect(error?.category == .fenced)
        #expect(
            error?.serverError?.detail == """
                [{"input": "ticks", "owner": "me", "partition": 1, "owner_epoch": 2}]
                """)
        try database.expect("SELECT sum(sequence) FROM sink_positions", "0")
    }

    @Test("a position that was never claimed, or would go back, is refused")
    func refusals() throws {
        let database = try TestDatabase.migrated("schema_refusals")
        let writer = try database.connectWriter()
        _ = try claim(writer, 1)
        func refusal(_ positions: String) throws -> String? {
            try writer.script("BEGIN")
            let error = sessionFailure { () throws(PostgresError) in
                try writer.script(advance(positions))
            }
            if error != nil { try writer.script("ROLLBACK") }
            #expect(error == nil || error?.category == .retryable)
            return error?.sqlState?.rawValue
        }
        #expect(try refusal(position(2, epoch: 1, sequence: 1)) == "TL002")
        #expect(try refusal(position(1, epoch: 2, sequence: 1)) == "TL002")
        #expect(try refusal(position(1, epoch: 1, sequence: 10)) == nil)
        #expect(try refusal(position(1, epoch: 1, sequence: 10)) == nil)
        #expect(try refusal(position(1, epoch: 1, sequence: 9)) == "TL003")
        // A new stream counts from 1 again.
        let other = position(1, epoch: 1, sequence: 1)
            .replacing("1721000000123456789", with: "1721000000123456790")
        #expect(try refusal(other) == nil)
        try database.expect("SELECT sequence, advanced_at IS NOT NULL FROM sink_positions", "1|t")
    }
}
