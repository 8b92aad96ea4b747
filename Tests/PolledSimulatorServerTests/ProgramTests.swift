import TestSupport
import Testing

@Suite("The program polled-simulator")
struct ProgramTests {
    private static let name = "polled-simulator"

    @Test("it answers over a socket, takes commands and ends in good order")
    func serves() throws {
        let simulator = try SimulatorProcess(
            ["--start", "2026-03-04T12:00:00Z", "--speed", "10"], program: Self.name)
        let asking = try PlainConnection(port: simulator.port)
        try asking.send(Array("GET /fng/ HTTP/1.1\r\nConnection: close\r\n\r\n".utf8))
        let answer = String(decoding: try asking.receive { _ in false }, as: UTF8.self)
        #expect(answer.contains("\"timestamp\":\"1772582400\""))
        #expect(try simulator.command("status") == "ok: 0 connections, 0 streams")
        #expect(try simulator.command("quit") == "ok")
        #expect(simulator.stop() == 0)
    }

    @Test("help and version are for people; wrong flags are told and end with 64")
    func arguments() throws {
        let program = try ProductPrograms.path(Self.name)
        let environment = ProductPrograms.profile(Self.name)
        let help = try run(program, ["--help"], environment: environment)
        #expect(help.contains("--market-log FILE") && help.contains("expire | renew"))
        #expect(help.split(separator: "\n").allSatisfy { $0.count <= 100 })
        #expect(
            try run(program, ["--version"], environment: environment).hasPrefix("polled-simulator ")
        )
        for (wrong, says) in [
            (["--speed", "0"], "from 1 to 1000000"), (["--start", "today"], "wants a time"),
            (["--start", "1970-01-01T00:00:00Z", "--rate", "1"], "is no flag"),
        ] {
            let failure = #expect(throws: ProgramFailure.self) {
                try run(program, wrong, environment: environment)
            }
            #expect(failure?.status == 64 && failure?.message.contains(says) == true)
        }
    }
}
