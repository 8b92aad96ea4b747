import Glibc
import IBSimulator
import MarketModel
import Primitives
import TestSupport

/// The simulator of TWS as a process, on ports that stay the same when it is started again. The
/// events in its market depend only on the seed, whether any client gets them or not. So the truth
/// can be computed.
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

    func kill() {
        process?.stop(SIGKILL)
        process = nil
    }

    var log: String { process?.log ?? "" }

    /// Sends one line to the control port and returns the simulator's answer.
    func command(_ line: String) -> String {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(made) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = controlPort.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isThere = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(made, $0, size) == 0
            }
        }
        guard isThere else { return "" }
        let bytes = Array((line + "\n").utf8)
        _ = unsafe send(made, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        var entry = pollfd(fd: made, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&entry, 1, 10_000) == 1 else { return "" }
        var answer = [UInt8](repeating: 0, count: 1_024)
        let count = unsafe recv(made, &answer, answer.count, 0)
        return String(decoding: answer[..<max(0, count)], as: UTF8.self)
    }

    // MARK: the truth

    /// A trade as history and the stream report it. Several trades may be equal.
    struct Print: Hashable {
        let symbol: String
        let second: Int64
        let price: Int64
        let size: Int64
        let exchange: String
    }

    /// Returns all trades of these seconds.
    func trades(_ seconds: Range<Int64>) -> [Print: Int] {
        var trades: [Print: Int] = [:]
        for (index, instrument) in market.instruments.enumerated() {
            for second in seconds {
                for event in market.events(of: index, in: second) {
                    guard case .trade(let trade) = event.kind else { continue }
                    let print = Print(
                        symbol: instrument.symbol, second: second,
                        price: Self.raw(instrument.priceText(trade.price), digits: 9),
                        size: Self.raw(instrument.sizeText(trade.size), digits: 8),
                        exchange: SimulatedInstrument.exchanges[trade.exchange].name)
                    trades[print, default: 0] += 1
                }
            }
        }
        return trades
    }

    private static func raw(_ text: String, digits: Int) -> Int64 {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count > 1 ? String(parts[1]) : ""
        let padded = fraction + String(repeating: "0", count: digits - fraction.utf8.count)
        return Int64(String(parts[0]) + padded) ?? 0
    }
}
