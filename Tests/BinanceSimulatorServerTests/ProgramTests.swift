import TestSupport
import Testing
import VenueTestSupport
import VenueWeb

@testable import BinanceSimulator

@Suite("The program binance-simulator")
struct ProgramTests {
    private static let name = "binance-simulator"

    private func simulator(_ arguments: [String] = []) throws -> SimulatorProcess {
        try SimulatorProcess(arguments, program: Self.name)
    }

    @Test("it serves requests and streams over a socket, takes commands and ends in good order")
    func serves() throws {
        let simulator = try simulator(["--rate", "500", "--symbols", "BTCUSDT"])
        let client = try PlainConnection(port: simulator.port)
        try client.send(Array(ClientBytes.upgrade("/ws/btcusdt@trade").utf8))
        let bytes = try client.receive { $0.count > 5_000 }
        #expect(String(decoding: bytes.prefix(12), as: UTF8.self) == "HTTP/1.1 101")
        let answer = try PlainConnection.answer(
            to: "GET /api/v3/time HTTP/1.1\r\nConnection: close\r\n\r\n", port: simulator.port)
        #expect(answer.contains("serverTime"))
        #expect(try simulator.command("status").hasPrefix("ok: 1 connections, 1 streams"))
        #expect(try simulator.command("cut") == "ok")
        _ = try client.receive { _ in false }
        #expect(try simulator.command("quit") == "ok")
        #expect(simulator.stop() == 0)
        let frames = ClientBytes.frames(Array(bytes.drop { $0 != 0x81 }))
        #expect(frames.count > 20 && frames.allSatisfy { $0.kind == .text })
    }

    @Test("help and version are for people; wrong flags are told and end with 64")
    func arguments() throws {
        let complaints = try ProductPrograms.complaints(
            Self.name, help: ["--truth FILE", "half-open"],
            wrong: [
                (["--symbols", "BTC-USDT"], "is no symbol"),
                (["--lifetime", "0"], "from 1 to 86400"),
                (["--rate", "x"], "from 0 to"), (["--ping", "0"], "from 1 to 3600"),
                (["--market-data", "200"], "403, 404 or 451"), (["--pong", "0"], "is no flag"),
            ])
        #expect(complaints.isEmpty)
    }
}
