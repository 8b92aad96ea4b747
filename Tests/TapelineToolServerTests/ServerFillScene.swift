import MarketModel
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

/// A store of PostgreSQL, and one without transactions, which stands behind a front in Python.
struct ServerFillScene {
    let first: AcceptBench
    let second: AcceptBench
    let front: PythonServer
    /// The settings of the second store.
    let own: [String: String]
    var source: TestSource
    private let folder: TemporaryFolder

    init(
        _ name: String, _ store: String, kind: String, front script: String,
        of packages: String = "websockets"
    ) throws {
        first = try AcceptBench("fill_\(name)")
        second = try AcceptBench("fill_\(name)_b", beside: first)
        folder = try TemporaryFolder(kind)
        front = try PythonServer(
            "\(ServerPrograms.checkout)/Tests/StoreWriterServerTests/fronts/\(script)",
            [folder.path], of: packages)
        own = [
            "STORE_NAME": store, "STORE_KIND": kind,
            "\(kind.uppercased())_URL": "http://127.0.0.1:\(front.port())",
        ]
        source = try first.source(0)
        #expect(try command("migrate").code == .success)
    }

    /// That of `tapeline store fill`, from the first store.
    var environment: [String: String] {
        let database = first.environment.filter { $0.key.hasPrefix("POSTGRES_") }
        return first.tape.environment.merging(own) { $1 }.merging(
            database.map { ("FROM_\($0.key)", $0.value) }
        ) { $1 }
    }

    /// Runs a command of the writer.
    func command(
        _ name: String, _ changes: [String: String] = [:]
    ) throws -> (code: ExitCode, said: String) {
        let service = try TestService(
            StoreWriter.Main.description,
            first.environment.merging(own) { $1 }.merging(changes) { $1 }, arguments: [name])
        return (try StoreWriter.Main.run(service.context), service.log.text)
    }

    /// Destroys what the stream of the partition has.
    func purge() throws {
        let names = first.tape.names
        try FillTests.purge(first, names.tickStream(0), names.ticks(Partition(0)))
    }
}
