import TestSupport
import Testing
import ValkeyClient

@Suite("Configuration")
struct ConfigurationTests {
    @Test("a URL gives host, port, user, password and database")
    func urls() throws {
        let full = try ValkeyConfiguration(url: "redis://me:p%40ss:w@rd@cache.example:6400/3")
        #expect(full.host == "cache.example" && full.port == 6_400 && full.database == 3)
        #expect(full.user == "me" && full.password == "p@ss:w@rd")
        let short = try ValkeyConfiguration(url: "valkey://cache")
        #expect(short.host == "cache" && short.port == 6_379 && short.password == nil)
        let password = try ValkeyConfiguration(url: "redis://:secret@cache/")
        #expect(password.user == nil && password.password == "secret" && password.database == 0)
        let user = try ValkeyConfiguration(url: "redis://me@[::1]:7000")
        #expect(user.user == "me" && user.password == nil && user.host == "::1")
        #expect(user.port == 7_000)
        #expect(try ValkeyConfiguration(url: "redis://[::1]").port == 6_379)
    }

    @Test(
        "a URL that cannot work is refused with the reason",
        arguments: [
            ("cache:6379", "redis://"), ("http://cache", "redis://"), ("rediss://cache", "TLS"),
            ("valkeys://cache", "TLS"), ("redis://", "host"), ("redis://:pw@", "host"),
            ("redis://cache:0", "port"), ("redis://cache:70000", "port"),
            ("redis://cache:x", "port"), ("redis://cache/x", "database"),
            ("redis://cache/-1", "database"), ("redis://:a%4@cache", "hexadecimal"),
            ("redis://:a%zz@cache", "hexadecimal"),
        ])
    func badURLs(url: String, word: String) {
        let error = valkeyFailure { _ = try ValkeyConfiguration(url: url) }
        #expect(error?.caseName == "configuration", "\(error as Any)")
        #expect(error.text.contains(word))
        #expect(error?.isRetryable == false)
    }

    @Test("neither description, dump nor interpolation shows the password")
    func secrets() {
        let configuration = ValkeyConfiguration(host: "h", user: "u", password: "hidden")
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), dumped] {
            #expect(!text.contains("hidden"))
        }
        #expect("\(configuration)".contains("<redacted>"))
        #expect("\(ValkeyConfiguration(host: "h"))".contains("none"))
    }

    @Test("every error is one line that names its peer, and says whether to try again")
    func errors() {
        let long = String(repeating: "x", count: 1_000)
        let errors: [(ValkeyError, Bool)] = [
            (.configuration("p"), false), (.connect(peer: "p", reason: "a\r\nb"), true),
            (.authentication(peer: "p", reason: long), false),
            (.timeout(operation: "o", peer: "p", after: .seconds(1)), true),
            (.connectionLost(operation: "o", peer: "p", reason: "a\nb"), true),
            (.malformedReply(peer: "p", reason: "r"), false),
            (.pipelineFull(commands: 1, bytes: 2), false), (.closed(peer: "p"), true),
        ]
        for (error, retryable) in errors {
            #expect("\(error)".contains("p") && !"\(error)".contains("\n"))
            #expect("\(error)".count < 500)
            #expect(error.isRetryable == retryable)
        }
    }
}
