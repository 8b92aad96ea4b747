import ServiceRuntime

/// `tapeline` without arguments: what is up on this machine, and what a person can do next.
struct StartCommand: ToolCommand {
    static let page = HelpCommand.page

    static func read(_ given: CommandArguments) -> StartCommand { StartCommand() }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let stacks: [Stack]
        do throws(ToolError) {
            stacks = try Stack.all(in: tool.stack(StackTarget()).checkout, tool.terminal)
        } catch .noCheckout {
            // A tool for the deployments of others starts no stack.
            return tool.say(HelpPage.text)
        } catch {
            throw error
        }
        let sights = stacks.map { stack in
            do throws(ToolError) {
                guard let state = try StackState.read(stack.home),
                    state.isSupervised || !state.alive.isEmpty
                else {
                    return StackSight(home: stack.home)
                }
                return StackSight(
                    home: stack.home, verdict: try stack.table(state).verdict,
                    address: try stack.cockpitAddress(state))
            } catch {
                // The others are shown all the same.
                return StackSight(home: stack.home, verdict: "\(error)")
            }
        }
        for line in StackSight.lines(sights) { tool.terminal.line(line) }
        return .success
    }
}

/// What is to be said of one stack at the first look.
struct StackSight {
    let home: StackHome
    /// Whether everything works; `nil` for a stack that is down.
    var verdict: String?
    /// Where its pages are.
    var address: String?

    /// What there is, and the commands that follow from it.
    static func lines(_ stacks: [StackSight]) -> [String] {
        let (up, down) = (stacks.filter { $0.verdict != nil }, stacks.filter { $0.verdict == nil })
        var lines = up.map { stack in
            let place = stack.address.map { ", \($0)" } ?? ""
            return "the stack \(stack.home.name) is up\(place): \(stack.verdict ?? "")"
        }
        if up.isEmpty { lines.append("no stack is up on this machine") }
        if !down.isEmpty {
            let names = down.map(\.home.name).joined(separator: ", ")
            lines.append("down, with their data: \(names)")
        }
        let known = down.first { $0.home.name == StackHome.defaultName } ?? down.first
        let next = up.first.map { steps(of: $0.home) } ?? firstSteps(known?.home)
        let width = next.map { $0.command.count }.max() ?? 0
        lines += ["", "What you can do next:"]
        lines += next.map { "  \($0.command.padded(to: width))  \($0.meaning)" }
        return lines + ["", "'tapeline help' lists all commands."]
    }

    private typealias Step = (command: String, meaning: String)

    private static func steps(of home: StackHome) -> [Step] {
        [
            (home.command("open"), "see in the browser whether all is well"),
            (home.command("status"), "what runs where, and how the feeds are"),
            (home.command("gaps"), "what is missing now"),
            ("\(home.command("psql")) -c 'TABLE symbols'", "which symbols there are"),
            (home.command("bars SYMBOL 1s --chart"), "candles of one of them"),
            (home.command("watchlist add SYMBOL --note WHY"), "record one more"),
            (home.command("down"), "stop it; the data stay"),
        ]
    }

    private static func firstSteps(_ known: StackHome?) -> [Step] {
        let again: [Step] = known.map { [($0.command("up"), "start that stack again")] } ?? []
        let new: [Step] =
            known?.name == StackHome.defaultName
            ? [] : [("tapeline up", "a synthetic market, until 'tapeline down'")]
        return again + new + [
            ("tapeline demo", "a simulated broker for half a minute, and an audit"),
            (
                "tapeline up --name binance PROVIDER=binance",
                "trades of coins at Binance, without an account"
            ),
        ]
    }
}
