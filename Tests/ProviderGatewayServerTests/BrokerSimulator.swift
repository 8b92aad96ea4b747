import IBSimulator
import MarketModel
import TestSupport

/// The simulator of TWS as a process, on ports that stay the same when it is started again. The
/// events in its market depend only on the seed, whether any client gets them or not.
final class BrokerSimulator {
    let port = freePort()
    let symbols: [String]
    private let controlPort = freePort()
    private let folder: TemporaryFolder
    private let seed: UInt64
    private let rate: Int
    private var process: ServerProcess?
    private var starts = 0
    let market: SimulatedMarket
    private let isWithOthers: Bool

    /// `others` adds an option, a future, a pair and a coin, and a truth log of each start.
    init(_ symbols: [String], rate: Int, seed: UInt64, others: Bool = false) throws {
        self.symbols = symbols
        self.rate = rate
        self.seed = seed
        isWithOthers = others
        folder = try TemporaryFolder("broker")
        market = SimulatedMarket(
            instruments: InstrumentList.make(symbols: symbols, others: others), seed: seed,
            rate: rate, firstSecond: 0)
    }

    func start() throws {
        starts += 1
        process = try ServerProcess(
            ProductPrograms.path("ibkr-simulator"),
            [
                "--port", "\(port)", "--control-port", "\(controlPort)", "--seed", "\(seed)",
                "--rate", "\(rate)", "--symbols", symbols.joined(separator: ","),
                "--tick-limit", "100",
            ] + (isWithOthers ? ["--truth", truthLog(starts)] : ["--stocks-only"]),
            environment: ProductPrograms.profile("ibkr-simulator"),
            logPath: folder.file("simulator-\(starts).log"))
    }

    private func truthLog(_ start: Int) -> String { folder.file("truth-\(start)") }

    /// Returns whether the simulator accepts commands.
    func answers() -> Bool { eventually { command("status").hasPrefix("ok") } }

    /// Ends the simulator like a kill, but with everything that it sent in its truth log.
    func crash() {
        _ = command("crash")
        _ = process?.waitUntilExit()
        process = nil
    }

    /// Stops the simulator and returns its exit code.
    func stop() -> Int32? {
        defer { process = nil }
        return process?.stop()
    }

    /// Returns what each start that has ended sent.
    func truth() throws -> [[SentValue]] {
        try (1...max(1, starts)).map { try SentValue.read(truthLog($0)) }
    }

    var log: String { process?.log ?? "" }

    /// Sends one line to the control port and returns the simulator's answer; empty when there is
    /// none.
    func command(_ line: String) -> String {
        do {
            let connection = try PlainConnection(port: controlPort)
            try connection.send(Array((line + "\n").utf8))
            let answer = try connection.receive { $0.contains(UInt8(ascii: "\n")) }
            return String(decoding: answer, as: UTF8.self)
        } catch {
            return ""
        }
    }
}
