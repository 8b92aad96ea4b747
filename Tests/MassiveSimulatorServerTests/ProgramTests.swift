import TestSupport
import Testing
import VenueTestSupport
import VenueWeb

@testable import MassiveSimulator

@Suite("The program massive-simulator")
struct ProgramTests {
    private static let name = "massive-simulator"

    @Test("it serves a stream and requests over a socket, takes commands and ends in good order")
    func serves() throws {
        let simulator = try SimulatorProcess(
            ["--rate", "100", "--symbols", "AAPL", "--key", "k", "--late", "0"],
            program: Self.name)
        let client = try PlainConnection(port: simulator.port)
        try client.send(Array(ClientBytes.upgrade("/stocks").utf8))
        for text in [
            #"{"action":"auth","params":"k"}"#, #"{"action":"subscribe","params":"T.AAPL"}"#,
        ] {
            try client.send(ClientBytes.masked(Array(text.utf8)))
        }
        let bytes = try client.receive { $0.count > 5_000 }
        let frames = ClientBytes.frames(Array(bytes.drop { $0 != 0x81 }))
        #expect(frames.count > 10 && frames.allSatisfy { $0.kind == .text })
        #expect(try simulator.command("status") == "ok: 1 connections, 1 streams")
        let answer = try PlainConnection.answer(
            to: "GET /v3/quotes/AAPL?limit=1 HTTP/1.1\r\nConnection: close\r\n"
                + "Authorization: Bearer k\r\n\r\n", port: simulator.port)
        #expect(answer.contains("next_url"))
        #expect(try simulator.command("quit") == "ok")
        #expect(simulator.stop() == 0)
    }

    @Test("help and version are for people; wrong flags are told and end with 64")
    func arguments() throws {
        let complaints = try ProductPrograms.complaints(
            Self.name, help: ["--truth FILE", "slow-consumer"],
            wrong: [
                (["--symbols", "aapl"], "is no symbol"), (["--sessions", "0"], "from 1 to 64"),
                (["--requests", "x"], "from 1 to 1000000"), (["--pong", "0"], "is no flag"),
            ])
        #expect(complaints.isEmpty)
    }

    @Test("each flag changes what clients get")
    func flags() throws {
        let simulator = try SimulatorProcess(
            [
                "--no-streams", "--no-quotes", "--requests", "1", "--busts", "0", "--fractions",
                "0", "--lifetime", "60", "--ping", "5", "--sessions", "2",
            ], program: Self.name)
        for (path, status) in [("quotes", "403"), ("trades", "429")] {
            let answer = try PlainConnection.answer(
                to: "GET /v3/\(path)/AAPL?apiKey=test-key HTTP/1.1\r\nConnection: close\r\n\r\n",
                port: simulator.port)
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
        }
        #expect(simulator.stop() == 0)
    }
}
