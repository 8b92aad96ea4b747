import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("tapeline service")
struct ServiceUnitTests {
    @Test("a unit starts a stack with its settings, word by word")
    func text() throws {
        let unit = ServiceUnit(
            stack: "coins", program: "/a b/tapeline",
            arguments: ["--set", "LOG_X=5% \"$X\" \\"], home: "/people/a", isOfRoot: false)
        #expect(unit.path == "/people/a/.config/systemd/user/tapeline-coins.service")
        #expect(
            unit.text == """
                [Unit]
                Description=The stack coins of Tapeline
                After=network.target

                [Service]
                Type=oneshot
                RemainAfterExit=yes
                Environment="HOME=/people/a"
                ExecStart="/a b/tapeline" "up" "--set" "LOG_X=5%% \\"$$X\\" \\\\" "--name" "coins"
                ExecStop="/a b/tapeline" "down" "--name" "coins"
                TimeoutStartSec=660
                TimeoutStopSec=120

                [Install]
                WantedBy=default.target

                """)
        #expect(unit.systemctl("status") == "systemctl --user status")
    }

    @Test("root's unit is of the machine")
    func root() {
        let unit = ServiceUnit(
            stack: "default", program: "/t", checkout: "/c", arguments: [], home: "/root",
            isOfRoot: true)
        #expect(unit.path == "/etc/systemd/system/tapeline-default.service")
        #expect(unit.text.contains("\nWantedBy=multi-user.target\n"))
        #expect(unit.text.contains("\nExecStop=\"/t\" \"down\" \"--home\" \"/c\" \"--name\" "))
        #expect(unit.systemctl("daemon-reload") == "systemctl daemon-reload")
    }

    @Test("the command takes what 'up' takes, and its removal takes nothing")
    func arguments() throws {
        let given = ["install", "--name", "coins", "PROVIDER=binance", "--simulator"]
        let command = try ServiceCommand.parse(given)
        #expect(command.target.name == "coins")
        #expect(command.options == (try UpCommand.parse(Array(given.dropFirst(3)))).options)
        #expect(try ServiceCommand.parse(["remove"]).removes)
        #expect(throws: ToolError.self) { try ServiceCommand.parse(["remove", "--simulator"]) }
        #expect(throws: ToolError.self) {
            try ServiceCommand.parse(["remove", "PROVIDER=binance"])
        }
    }
}
