/*
 * tail.h: "gymstream tail"
 */
#ifndef GYMSTREAM_CLIENT_TAIL_H
#define GYMSTREAM_CLIENT_TAIL_H

extern int	tail_main(int argc, char **argv);

#endif
