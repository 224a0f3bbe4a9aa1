/* The program of the containers that the bench starts. */
int main(void) { return 0; }
