import Foundation
import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import TapelineTool

/// Bars with many versions on a real tape, a writer that stores them, and what was known of them.
struct VersionsBench {
    /// One version as the oracle has it.
    struct Version {
        /// The number of its window: those below 3 are seconds, the others hours.
        let key: Int
        let revision: UInt64
        let isWithdrawn: Bool
        /// In microseconds, rounded up.
        var knownAt: Int64 = 0
    }

    let bench: AcceptBench
    private let folder: TemporaryFolder
    private var source: TestSource
    private(set) var versions: [Version] = []
    /// The sequences of the packets on the tape.
    private(set) var sequences: [UInt64] = []
    private var tapeTime: Int64 = 0

    static let partition = 1
    private static let hour: Int64 = 3_600_000_000_000
    private static let first: Int64 = 1_700_000_000_000_000_000 / hour * hour
    /// What `told` is where the database cannot know it.
    static let refused = "TL020"
    /// What `told` is of a time before the first version. It is not empty, because the answers of a
    /// query are lines, and an empty line at the beginning is none.
    private static let noBars = "no bars"

    init(_ name: String, timescale: Bool = false) throws {
        bench = try AcceptBench(name, timescale: timescale)
        folder = try TemporaryFolder("versions")
        source = TestSource(
            bench.tape, Partition(Self.partition), source: .operator, kind: .bars)
        _ = source.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "", since: .undefined,
                source: SourceName("desk")))
        for (name, width) in [("1s", 1_000_000_000), ("1h", Self.hour)] {
            _ = source.register(
                SeriesDefinition(name: try #require(SeriesName(name)), widthNanoseconds: width))
        }
        _ = try bench.query(
            """
            CREATE FUNCTION told(t timestamptz) RETURNS text LANGUAGE plpgsql AS $$
            BEGIN
                RETURN (SELECT coalesce(string_agg(format('%s/%s %s v%s%s', b.series,
                        ((extract(epoch FROM b.ts) * 1000000)::bigint - \(Self.first / 1_000))
                            / CASE b.series WHEN '1h' THEN 3600000000 ELSE 1000000 END,
                        trim_scale(b.close), b.version,
                        CASE WHEN b.is_uncertain THEN '?' ELSE '' END), ', '
                        ORDER BY b.series, b.ts), '\(Self.noBars)')
                    FROM unnest(ARRAY['1h', '1s']) AS s (name), md_market.bars_as_of(t, '{AAPL}',
                        s.name, '2023-11-14', '2023-11-16') AS b);
            EXCEPTION WHEN SQLSTATE 'TL020' THEN RETURN '\(Self.refused)';
            END $$
            """)
    }

    // MARK: the tape

    /// Publishes versions of the bars of these keys.
    mutating func publish(
        packets: Int, _ random: inout SeededRandom, of keys: Range<Int> = 0..<6
    ) throws {
        for _ in 0..<packets {
            var coming: [Version] = []
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                coming.append(
                    append(
                        Int.random(in: keys, using: &random), UInt64(coming.count),
                        isWithdrawn: UInt8.random(in: 0..<6, using: &random) == 0))
            }
            let sequence = try source.publish(watermark: .undefined)
            let stored = try bench.tape.client.jetStream.message(
                stream: bench.tape.names.barStream, sequence: sequence)
            tapeTime = max(tapeTime, try #require(stored).time.nanoseconds)
            sequences.append(sequence)
            for var version in coming {
                version.knownAt = (tapeTime + 999) / 1_000
                versions.append(version)
            }
        }
    }

    private mutating func append(_ key: Int, _ place: UInt64, isWithdrawn: Bool) -> Version {
        let width = key < 3 ? 1_000_000_000 : Self.hour
        let open = Timestamp(nanoseconds: Self.first + Int64(key % 3) * width)
        var bar = Bar(
            symbol: 0, series: key < 3 ? 0 : 1, openTime: open,
            closeTime: open.advanced(byNanoseconds: width))
        let revision = source.nextOrdinal + place
        bar.close = Price(raw: Int64(revision) * 1_000_000_000)
        if isWithdrawn { bar.flags = .withdrawn }
        source.append(bar)
        return Version(key: key, revision: revision, isWithdrawn: isWithdrawn)
    }

    /// Takes away the first packets of the tape.
    func purge(packets: Int) throws {
        try bench.api(
            "STREAM.PURGE.\(bench.tape.names.barStream)", #"{"seq":\#(sequences[packets])}"#)
    }

    // MARK: the database

    func store() throws {
        let writer = try bench.startWriter()
        try expectStored()
        try writer.stop()
    }

    func expectStored() throws {
        let last = source.nextOrdinal - 1
        #expect(
            try eventually {
                try bench.query(
                    "SELECT max(last_ordinal) FROM sink_source_ordinals WHERE input = 'bars'")
                    == "\(last)"
            })
    }

    /// Makes the database that of a release from before versions were kept, right after the
    /// migration.
    func forget() throws {
        _ = try bench.query(
            """
            DELETE FROM bar_versions;
            UPDATE bars_short SET taken_at = NULL;
            UPDATE bars_long SET taken_at = NULL, sent_at = NULL;
            UPDATE sink_positions SET tape_time_ns = NULL WHERE input = 'bars';
            DELETE FROM version_books;
            INSERT INTO version_books (partition, kept_since, after_ordinal)
            SELECT partition, clock_timestamp(), last_ordinal FROM sink_source_ordinals
            WHERE input = 'bars' AND source = 'operator'
            """)
    }

    /// Takes away what a fill adds after a revision, as if it was ended there.
    func forget(after revision: UInt64) throws {
        _ = try bench.query(
            """
            DELETE FROM bar_versions WHERE revision > \(revision);
            UPDATE bars_short SET taken_at = NULL WHERE revision > \(revision);
            UPDATE bars_long SET taken_at = NULL WHERE revision > \(revision)
            """)
    }

    /// All versions as rows, with what the tape says of each.
    func rows() throws -> String {
        try bench.query(
            """
            SELECT revision, trim_scale(close), withdrawn,
                (extract(epoch FROM taken_at) * 1000000)::bigint, sent_at IS NULL
            FROM (SELECT revision, close, withdrawn, known_at AS taken_at, sent_at FROM bars
                UNION ALL
                SELECT revision, close, withdrawn, taken_at, sent_at FROM bar_versions) AS v
            ORDER BY revision
            """)
    }

    var expectedRows: String {
        versions.map {
            "\($0.revision)|\($0.revision)|\($0.isWithdrawn ? "t" : "f")|\($0.knownAt)|f"
        }.joined(separator: "\n")
    }

    var book: String {
        get throws {
            try bench.query(
                """
                SELECT after_ordinal, (extract(epoch FROM kept_since) * 1000000)::bigint
                FROM version_books
                """)
        }
    }

    func told(_ times: [Int64]) throws -> [String] {
        let list = times.map(String.init).joined(separator: ", ")
        let lines = try bench.query(
            """
            SELECT told('epoch'::timestamptz + t * interval '1 us')
            FROM unnest(ARRAY[\(list)]::bigint[]) WITH ORDINALITY AS w (t, n) ORDER BY n
            """
        ).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        try #require(lines.count == times.count)
        return lines
    }

    /// What `told` has to be where the database knows it.
    func truth(_ time: Int64) -> String {
        let bars = ([3, 4, 5, 0, 1, 2] as [Int]).compactMap { key -> String? in
            let known = versions.filter { $0.key == key && $0.knownAt <= time }
            guard let last = known.last, !last.isWithdrawn else { return nil }
            return "\(key < 3 ? "1s" : "1h")/\(key % 3) \(last.revision) v\(known.count)"
        }
        return bars.isEmpty ? Self.noBars : bars.joined(separator: ", ")
    }

    /// Moments around those at which versions became known.
    func times(_ count: Int, _ random: inout SeededRandom) -> [Int64] {
        (0..<count).map { _ in
            let version = versions[Int.random(in: 0..<versions.count, using: &random)]
            return version.knownAt + Int64.random(in: -1...1, using: &random)
        }
    }

    // MARK: the command

    struct Outcome {
        let code: ExitCode
        let json: JSONValue

        var partition: JSONValue? { json["partitions"]?.array?.first }
        func number(_ name: String) -> Int { json[name]?.int ?? -1 }
        var example: String { partition?["examples"]?.array?.first?.string ?? "" }
        var hasMoved: Bool { partition?["moved"]?.bool ?? false }
    }

    func fill(
        _ arguments: String..., shutdown: ShutdownSignal = ShutdownSignal()
    ) throws -> Outcome {
        let (code, text) = try filled(arguments + ["--json"], shutdown)
        return Outcome(code: code, json: try JSONValue.parse(text))
    }

    func filled(
        _ arguments: [String], _ shutdown: ShutdownSignal = ShutdownSignal()
    ) throws -> (code: ExitCode, text: String) {
        try Self.filled(arguments, shutdown, in: folder.path, bench.environment)
    }

    /// Returns what fills the versions, for another thread.
    func filling() -> @Sendable () throws -> ExitCode {
        let (path, environment) = (folder.path, bench.environment)
        return { try Self.filled([], ShutdownSignal(), in: path, environment).code }
    }

    private static func filled(
        _ arguments: [String], _ shutdown: ShutdownSignal, in folder: String,
        _ environment: [String: String]
    ) throws -> (code: ExitCode, text: String) {
        let path = "\(folder)/\(UUID().uuidString).out"
        let output = unsafe open(path, O_CREAT | O_WRONLY, 0o600)
        defer { close(output) }
        let run = VersionsRun(
            command: try VersionsCommand.parse(["fill"] + arguments),
            terminal: Terminal(output: output, errors: output), shutdown: shutdown)
        let code = try run.run(
            Deployment.find(TapeTarget(), environment: environment, executable: "/x"))
        return (code, try String(contentsOfFile: path, encoding: .utf8))
    }

    /// Returns those of the audit's checks about versions that failed.
    func audit() throws -> [String] {
        let path = folder.file("\(UUID().uuidString).out")
        let output = unsafe open(path, O_CREAT | O_WRONLY, 0o600)
        defer { close(output) }
        let run = AuditRun(
            command: try AuditCommand.parse(
                ["--all", "--json"], now: Timestamp(nanoseconds: Self.first)),
            script: try AuditScript.read(
                "\(ServerPrograms.checkout)/deploy/\(AuditScript.path)"),
            environment: [:], terminal: Terminal(output: output, errors: output),
            shutdown: ShutdownSignal())
        let report = try run.report(
            of: Deployment.find(TapeTarget(), environment: bench.environment, executable: "/x"),
            comparingHeads: false)
        let names = ["bars_stored", "versions_stored", "versions_on_tape"]
        #expect(Set(report.lines.map(\.name)).isSuperset(of: names))
        return report.lines.filter { names.contains($0.name) && !$0.isRight }
            .map { "\($0.name): \($0.detail)" }
    }
}
