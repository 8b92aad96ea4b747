internal import OperatorGraph
internal import OperatorWorker

/// The operator worker with an operator of one's own beside those that it has.
@main
enum Program {
    static func main() {
        var operators = TickOperators.ofThisProgram
        operators.register(Upticks.name, Upticks.self)
        OperatorWorker.Main.run(operators: operators)
    }
}
