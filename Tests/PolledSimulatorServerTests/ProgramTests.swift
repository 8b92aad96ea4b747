import TestSupport
import Testing

@Suite("The program polled-simulator")
struct ProgramTests {
    private static let name = "polled-simulator"

    @Test("it answers over a socket, takes commands and ends in good order")
    func serves() throws {
        let simulator = try SimulatorProcess(
            ["--start", "2026-03-04T12:00:00Z", "--speed", "10"], program: Self.name)
        let answer = try PlainConnection.answer(
            to: "GET /fng/ HTTP/1.1\r\nConnection: close\r\n\r\n", port: simulator.port)
        #expect(answer.contains("\"timestamp\":\"1772582400\""))
        #expect(try simulator.command("status") == "ok: 0 connections, 0 streams")
        #expect(try simulator.command("quit") == "ok")
        #expect(simulator.stop() == 0)
    }

    @Test("help and version are for people; wrong flags are told and end with 64")
    func arguments() throws {
        let complaints = try ProductPrograms.complaints(
            Self.name, help: ["--market-log FILE", "expire | renew"],
            wrong: [
                (["--speed", "0"], "from 1 to 1000000"), (["--start", "today"], "wants a time"),
                (["--start", "1970-01-01T00:00:00Z", "--rate", "1"], "is no flag"),
            ])
        #expect(complaints.isEmpty)
    }
}
