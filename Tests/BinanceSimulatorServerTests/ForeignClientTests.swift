import Foundation
import TestSupport
import Testing

/// Two clients that share no code with ours read trades over sockets and by requests. What they
/// decode must be exactly what happened in the market.
@Suite("The simulated exchange, read by python-binance and by ccxt")
struct ForeignClientTests {
    /// What is compared of a trade.
    private struct Trade: Decodable, Equatable {
        let symbol: String
        let id: UInt64
        let price: String
        let quantity: String
        let time: Int64
        let is_buyer_maker: Bool
    }

    private struct Seen: Decodable {
        let from: String
    }

    private struct Happened: Decodable {
        let symbol: String
        let id: UInt64
        let trade_time: Int64
        let price: String
        let quantity: String
        let is_buyer_maker: Bool

        var trade: Trade {
            Trade(
                symbol: symbol, id: id, price: price, quantity: quantity, time: trade_time,
                is_buyer_maker: is_buyer_maker)
        }
    }

    private static let engines = "\(ServerPrograms.checkout)/deploy/local/engines.sh"
    private static let script =
        "\(ServerPrograms.checkout)/Tests/BinanceSimulatorServerTests/read_clients.py"
    private static let count = 50

    @Test("they read every trade as it happened, live and from the past")
    func read() throws {
        guard Self.obstacle == nil else { return print(Self.obstacle ?? "") }
        let folder = try TemporaryFolder("market")
        let simulator = try SimulatorProcess(
            ["--rate", "300", "--market-log", folder.file("market")], program: "binance-simulator")
        let said = try run(
            "/bin/bash",
            [Self.engines, "--of", "exchange-clients", Self.script]
                + ["\(simulator.port)", "\(Self.count)"],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        simulator.stop()
        var happened: [String: Trade] = [:]
        for each: Happened in try Self.lines(
            String(contentsOfFile: folder.file("market"), encoding: .utf8))
        {
            happened["\(each.symbol) \(each.id)"] = each.trade
        }
        let seen: [Trade] = try Self.lines(said)
        let origins: [Seen] = try Self.lines(said)
        for origin in ["plain", "combined", "requests", "ccxt"] {
            #expect(origins.count { $0.from == origin } == Self.count)
        }
        // Requests also read the past before the start, which the log does not have.
        let known = seen.filter { happened["\($0.symbol) \($0.id)"] != nil }
        #expect(known.count > 3 * Self.count)
        #expect(known.allSatisfy { happened["\($0.symbol) \($0.id)"] == $0 })
        let plain = zip(origins, seen).filter { $0.0.from == "plain" }.map(\.1.id)
        #expect(zip(plain, plain.dropFirst()).allSatisfy { $0 + 1 == $1 })
    }

    private static let obstacle: String? = {
        do {
            try run("/bin/bash", [engines, "--of", "exchange-clients"])
            return nil
        } catch let failure as ProgramFailure where failure.status == 3 {
            return "nothing is read by python-binance and ccxt: \(failure.message)"
        } catch {
            return nil
        }
    }()

    private static func lines<Value: Decodable>(_ text: String) throws -> [Value] {
        try text.split(separator: "\n").map {
            try JSONDecoder().decode(Value.self, from: Data($0.utf8))
        }
    }
}
