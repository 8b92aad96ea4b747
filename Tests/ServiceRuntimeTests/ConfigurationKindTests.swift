import ServiceRuntime
import Testing

@Suite struct ConfigurationKindTests {
    typealias Fixture = ConfigurationFixture

    func load(_ name: String, _ value: String) throws -> Configuration {
        try Fixture(environment: [name: value]).configuration()
    }

    @Test(
        "durations",
        arguments: [
            ("250ms", Duration.milliseconds(250)), ("5s", .seconds(5)), ("1m", .seconds(60)),
            ("1000us", .milliseconds(1)), ("1000000ns", .milliseconds(1)), ("007s", .seconds(7)),
        ])
    func durations(text: String, value: Duration) throws {
        #expect(try load("WRITER_WAIT", text).duration("WRITER_WAIT") == value)
    }

    @Test("a word or a duration")
    func durationOrWord() throws {
        #expect(try load("WRITER_AIM", "late").durationOrWord("WRITER_AIM") == .word("late"))
        #expect(
            try load("WRITER_AIM", "30ms").durationOrWord("WRITER_AIM")
                == .duration(.milliseconds(30)))
    }

    @Test(
        "numbers of bytes",
        arguments: [
            ("0", 0), ("4096", 4_096), ("1KiB", 1_024), ("3MiB", 3 << 20), ("2GiB", 2 << 30),
            ("1TiB", 1 << 40),
        ])
    func byteCounts(text: String, value: Int) throws {
        #expect(try load("WRITER_SPOOL", text).integer("WRITER_SPOOL") == value)
    }

    @Test(
        "truth values",
        arguments: [
            ("true", true), ("YES", true), ("on", true), ("1", true), ("False", false),
            ("no", false), ("off", false), ("0", false),
        ])
    func flags(text: String, value: Bool) throws {
        #expect(try load("WRITER_DRY", text).flag("WRITER_DRY") == value)
    }

    @Test(
        "lists and URLs",
        arguments: [
            ("WRITER_TABLES", "bars", ["bars"]), ("WRITER_TABLES", " a , b c ", ["a", "b c"]),
            ("NATS_URL", "nats://a:1, tls://b", ["nats://a:1", "tls://b"]),
            ("NATS_URL", "nats://[::1]:4222/", ["nats://[::1]:4222/"]),
        ])
    func lists(name: String, text: String, value: [String]) throws {
        #expect(try load(name, text).list(name) == value)
    }

    @Test("numbers and texts")
    func others() throws {
        #expect(try load("WRITER_ROWS", "1000").integer("WRITER_ROWS") == 1_000)
        #expect(try load("WRITER_SHARE", "1").real("WRITER_SHARE") == 1)
        #expect(try load("WRITER_NAME", "ä b, c").text("WRITER_NAME") == "ä b, c")
        #expect(try load("WRITER_MODE", "insert").text("WRITER_MODE") == "insert")
        #expect(try load("WRITER_ID", "0-a").text("WRITER_ID") == "0-a")
        #expect(
            try load("WRITER_PEER", "https://h/p?q").optionalText("WRITER_PEER") == "https://h/p?q")
    }

    static let wrong: [(name: String, value: String, expected: String)] =
        ["", "0s", "250", "ms", "-1s", "1.5s", "5 s", "61s", "1d", "9999999999999999999h"].map {
            (
                "WRITER_WAIT", $0,
                "must be a duration with its unit (250ms, 5s, 2m, 1h) from 1ms to 1m"
            )
        }
        + ["-1", "1kB", "2TiB", "MiB", "99999999999TiB", "1.5KiB"].map {
            (
                "WRITER_SPOOL", $0,
                "must be a number of bytes (4096, 64KiB, 8MiB, 1GiB) from 0 to 1TiB"
            )
        }
        + ["0", "1001", "1e2", "x", "9223372036854775808", " 5"].map {
            ("WRITER_ROWS", $0, "must be a whole number from 1 to 1000")
        }
        + ["nan", "inf", "-0.1", "1.1", "half"].map {
            ("WRITER_SHARE", $0, "must be a number from 0.0 to 1.0")
        }
        + ["2", "maybe", "truth"].map { ("WRITER_DRY", $0, "must be true or false") }
        + ["Soon", "2s", "5", "0ms"].map {
            (
                "WRITER_AIM", $0,
                "must be soon, late or a duration with its unit (250ms, 5s) from 1ms to 1s"
            )
        }
        + ["Copy", "copy "].map { ("WRITER_MODE", $0, "must be copy or insert") }
        + ["a,", ",", "a,,b"].map {
            (
                "WRITER_TABLES", $0,
                "must be at most 256 items separated by commas, none empty"
            )
        }
        + ["-a", "A", "toolongname", "a_b", "ä"].map {
            (
                "WRITER_ID", $0,
                "must be 1 to 8 characters out of a-z, 0-9, -, and begin with a letter or a digit"
            )
        }
        + ["ftp://h", "http://", "h:80", "http:///path", "http://a b", "HTTP://h"].map {
            ("WRITER_PEER", $0, "must be a URL such as http://host:port")
        }
        + ["nats://a,", "http://a", "nats://a,b"].map {
            ("NATS_URL", $0, "must be URLs such as nats://host:port, separated by commas")
        }

    @Test("what does not fit its kind is shown with what would", arguments: wrong)
    func refused(name: String, value: String, expected: String) throws {
        guard !value.isEmpty else { return }
        #expect(
            Fixture(environment: [name: value]).problems()
                == ["\(name) (environment) is \"\(value)\": \(expected)"])
    }

    @Test("control characters are refused and never reach the terminal")
    func control() {
        #expect(
            Fixture(environment: ["WRITER_NAME": "a\u{1b}[2J\nb"]).problems() == [
                #"WRITER_NAME (environment) is "a\u{1b}[2J\u{a}b": must be one line of text "#
                    + "without control characters"
            ])
    }

    @Test("a value that is too long is cut in the message")
    func tooLong() {
        let long = String(repeating: "x", count: ConfigurationKey.valueBytesMax + 1)
        let shown = String(repeating: "x", count: 120) + "..."
        #expect(
            Fixture(environment: ["WRITER_NAME": long]).problems()
                == ["WRITER_NAME (environment) is \"\(shown)\": must be at most 4096 bytes long"])
    }
}

/// Mistakes in the code stop the process with a message that names the key.
@Suite struct ConfigurationMistakeTests {
    @Test("a key that is not in the schema")
    func trapsUnknownKey() async {
        await #expect(processExitsWith: .failure) {
            _ = try ConfigurationFixture().configuration().text("WRITER_NOPE")
        }
    }

    @Test("a value of another kind")
    func trapsOtherKind() async {
        await #expect(processExitsWith: .failure) {
            _ = try ConfigurationFixture().configuration().integer("WRITER_NAME")
        }
    }

    @Test("a value that may be absent")
    func trapsAbsent() async {
        await #expect(processExitsWith: .failure) {
            _ = try ConfigurationFixture().configuration().text("WRITER_PEER")
        }
    }

    @Test("a default that does not fit, a secret with a default, a key that is there twice")
    func trapsSchema() async {
        await #expect(processExitsWith: .failure) {
            _ = ConfigurationKey("A_B", .integer(1...5), default: "6", "h")
        }
        await #expect(processExitsWith: .failure) {
            _ = ConfigurationKey("A_B", .text, default: "6", secret: true, "h")
        }
        await #expect(processExitsWith: .failure) {
            _ = ConfigurationKey("a_b", .text, "h")
        }
        await #expect(processExitsWith: .failure) {
            let keys = [
                ConfigurationKey("A_B", .text, secret: true, "h"),
                ConfigurationKey("A_B_FILE", .text, "h"),
            ]
            _ = ServiceDescription(name: "s", version: "1", summary: "s", keys: keys)
        }
    }
}
