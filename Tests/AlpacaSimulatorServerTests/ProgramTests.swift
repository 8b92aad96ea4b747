import TestSupport
import Testing
import VenueTestSupport
import VenueWeb

@testable import AlpacaSimulator

@Suite("The program alpaca-simulator")
struct ProgramTests {
    private static let name = "alpaca-simulator"

    @Test("it serves streams and requests over a socket, takes commands and ends in good order")
    func serves() throws {
        let simulator = try SimulatorProcess(
            ["--rate", "100", "--symbols", "AAPL", "--key", "k", "--secret", "s"],
            program: Self.name)
        let keys = ["APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"]
        let client = try PlainConnection(port: simulator.port)
        try client.send(Array(ClientBytes.upgrade("/v2/sip", headers: keys).utf8))
        try client.send(
            ClientBytes.masked(Array(#"{"action":"subscribe","trades":["AAPL"]}"#.utf8)))
        let bytes = try client.receive { $0.count > 5_000 }
        let frames = ClientBytes.frames(Array(bytes.drop { $0 != 0x81 }))
        #expect(frames.count > 10 && frames.allSatisfy { $0.kind == .text })
        #expect(try simulator.command("status") == "ok: 1 connections, 3 streams")
        let answer = try PlainConnection.answer(
            to: "GET /v2/stocks/quotes?symbols=AAPL&limit=1 HTTP/1.1\r\nConnection: close\r\n"
                + "APCA-API-KEY-ID: k\r\nAPCA-API-SECRET-KEY: s\r\n\r\n", port: simulator.port)
        #expect(answer.contains("next_page_token"))
        #expect(try simulator.command("quit") == "ok")
        #expect(simulator.stop() == 0)
    }

    @Test("help and version are for people; wrong flags are told and end with 64")
    func arguments() throws {
        let complaints = try ProductPrograms.complaints(
            Self.name, help: ["--truth FILE", "error CODE"],
            wrong: [
                (["--symbols", "aapl"], "is no symbol"),
                (["--symbols", "BTC/USD"], "is no symbol"),
                (["--coins", "AAPL"], "is no symbol"), (["--halts", "5"], "from 60 to 86400"),
                (["--hold", "x"], "from 0 to 3600"), (["--pong", "0"], "is no flag"),
            ])
        #expect(complaints.isEmpty)
    }
}
