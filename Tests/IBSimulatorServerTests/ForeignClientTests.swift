import TestSupport
import Testing

/// Two clients that share no code with ours read every kind of data from the simulator over a
/// socket. What they decode must be exactly what the simulator has sent, in that order.
@Suite("The simulator, read by the vendor's client and by ib_async")
struct ForeignClientTests {
    @Test(
        "the vendor's client reads every value that was sent",
        arguments: [Int32(187), 157])
    func official(version: Int32) throws {
        try compare(ForeignClient.official, version: version)
    }

    @Test("ib_async reads every value that was sent", arguments: [Int32(187), 163])
    func ibAsync(version: Int32) throws {
        try compare(ForeignClient.ibAsync, version: version)
    }

    private func compare(_ client: ForeignClient, version: Int32) throws {
        let simulator = try SimulatorProcess(["--server-version", String(version)])
        try #expect(simulator.command("permission XLK delayed") == "ok")
        let seen = try simulator.folder.write("", to: "seen")
        guard try client.read(port: simulator.port, into: seen) else { return }
        simulator.stop()
        let values = try SentValue.read(seen)
        let truth = try simulator.truth()
        #expect(values.count == truth.count)
        // With fewer, complete kinds would be missing.
        #expect(truth.count > 500)
        let different = zip(truth, values).filter { !client.sees($0, as: $1) }
        let first = different.first.map { "sent \($0) seen \($1)" } ?? ""
        #expect(different.isEmpty, "\(different.count) differ; the first: \(first)")
    }
}
