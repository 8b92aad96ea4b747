import ServiceRuntime
import Testing

@Suite("Flags that ask")
struct QuestionTests {
    private static let service = ServiceDescription(
        name: "store-writer", version: "1", summary: "Writes.",
        keys: [ConfigurationKey("NATS_URL", .urls(["nats"]), required: true, "NATS servers.")],
        questions: [
            ServiceDescription.Question("--look-at", "FILE", "Say what is in a file.") {
                path, read in
                read(path, 100).map { String(decoding: $0.bytes, as: UTF8.self) }
                    .mapError { ServiceDescription.Question.Refusal(["\(path): \($0)", "two"]) }
            }
        ])

    private func decide(_ arguments: String...) -> CommandLineDecision {
        ServiceCommandLine(Self.service).decide(arguments: arguments, environment: [:]) { path, _ in
            path == "there"
                ? .success(FileContent(bytes: Array("content".utf8)))
                : .failure(.cannotOpen(code: 2))
        }
    }

    @Test("the answer is printed, though the settings are not right", arguments: [true, false])
    func answer(attached: Bool) {
        let decision = attached ? decide("--look-at=there") : decide("--look-at", "there")
        guard case .print("content") = decision else {
            Issue.record("\(decision)")
            return
        }
    }

    @Test("what is refused is shown as it is, one line each")
    func refused() {
        guard case .refuse(let text) = decide("--look-at", "gone") else {
            Issue.record("no refusal")
            return
        }
        #expect(text.hasPrefix("gone: cannot be opened: "))
        #expect(text.hasSuffix("\ntwo\n"))
    }

    @Test(
        "arguments that make no sense are refused",
        arguments: [
            (["--look-at"], "--look-at needs a value"), (["--look-at="], "--look-at needs a value"),
            (["--look-at", "there", "--look-at", "there"], "one question at a time"),
            (["--lok-at", "there"], "did you mean --look-at?"),
            (["--look-at", "there", "--strange"], "--strange is not known"),
        ])
    func wrong(arguments: [String], part: String) {
        let decision = ServiceCommandLine(Self.service).decide(
            arguments: arguments, environment: ["NATS_URL": "nats://127.0.0.1:1"])
        guard case .refuse(let text) = decision else {
            Issue.record("\(decision)")
            return
        }
        #expect(text.contains(part), "\(text)")
    }

    @Test("--help lists it")
    func help() {
        guard case .print(let text) = decide("--help", "--look-at", "gone") else {
            Issue.record("no help")
            return
        }
        #expect(text.contains("--look-at FILE"))
    }
}
